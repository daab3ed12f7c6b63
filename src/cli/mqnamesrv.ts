#!/usr/bin/env node
/** `mqnamesrv`, as RocketMQ's script is called: `millrace namesrv`. */
process.argv.splice(2, 0, 'namesrv')
void import('./main.js')

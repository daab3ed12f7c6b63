#!/usr/bin/env node
/** `mqbroker`, as RocketMQ's script is called: `millrace broker`. */
process.argv.splice(2, 0, 'broker')
void import('./main.js')

#!/usr/bin/env node
/** `mqshutdown broker|namesrv`, as RocketMQ's script: asks all that run on this machine to end. */
import { execFileSync } from 'node:child_process'
import { serversIn } from './processes.js'

const [role = ''] = process.argv.slice(2)
const pids = serversIn(execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' }), role)
if (pids === undefined) console.error('Usage: mqshutdown broker | namesrv')
else if (pids.length === 0) console.log(`No mq${role} running.`)
else console.log(`Send shutdown request to mq${role}(${pids.join(' ')}) OK`)
for (const pid of pids ?? []) process.kill(pid, 'SIGTERM')
process.exitCode = pids === undefined ? 2 : pids.length === 0 ? 1 : 0

#!/usr/bin/env node
/** `mqshutdown broker|namesrv`, as RocketMQ's script: asks all that run on this machine to end. */
import { execFileSync } from 'node:child_process'

const ROLES: Readonly<Record<string, RegExp>> = {
  broker: /\b(main\.js|millrace) (broker|server)\b|\bmqbroker(\.js)?\b/,
  namesrv: /\b(main\.js|millrace) namesrv\b|\bmqnamesrv(\.js)?\b/,
}

const [role = ''] = process.argv.slice(2)
const pattern = ROLES[role]
if (pattern === undefined) {
  console.error('Usage: mqshutdown broker | namesrv')
  process.exitCode = 2
} else {
  const pids = execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => /^\s*(\d+)\s+(.*)$/.exec(line))
    .filter(
      (found) =>
        found !== null && Number(found[1]) !== process.pid && /\bnode\b/.test(found[2] as string) && pattern.test(found[2] as string),
    )
    .map((found) => Number((found as RegExpExecArray)[1]))
  for (const pid of pids) process.kill(pid, 'SIGTERM')
  console.log(pids.length === 0 ? `No mq${role} running.` : `Send shutdown request to mq${role}(${pids.join(' ')}) OK`)
  process.exitCode = pids.length === 0 ? 1 : 0
}

// The milliseconds from a broker's start to its first answers: server=ours|java, with so many messages (fill=) in a store that was closed properly.
import { execFileSync } from 'node:child_process'
import { programs } from '../build.mjs'
import { options, print } from '../workload.mjs'
import { startServer } from './servers.mjs'

const { server: kind, dir, fill = 0, body } = options
if (fill > 0) {
  const filled = await startServer(kind, dir)
  const args = [`port=${filled.ports.broker}`, 'connections=4', 'window=4', 'batch=32', `count=${fill}`, `body=${body}`]
  execFileSync(programs.limit, ['load', 'mode=send', ...args])
  await filled.stop('SIGTERM')
}
const { milliseconds, stop } = await startServer(kind, dir)
await stop()
print({ milliseconds })

// A broker under a steady load, and what it holds of memory meanwhile: each minute other producers come and go, and others read what is there.
//   node bench/broker/steady.mjs [minutes=60] [pace=3000] [server=ours|java] [dir=]
// A line of JSON a minute; the last one has the medians of the tenth part of the minutes behind the first tenth, and of the last tenth, and their ratio.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { need, programs } from '../build.mjs'
import { median } from '../measure.mjs'
import { ownMemory } from '../memory.mjs'
import { options } from '../workload.mjs'
import { run } from './run.mjs'
import { startServer } from './servers.mjs'

const { minutes = 60, pace = 3000, server: kind = 'ours', dir = mkdtempSync(join(tmpdir(), 'steady-')) } = options
const [CONNECTIONS, SEND_SECONDS, PULL_SECONDS] = [64, 45, 3]

need(['limit', kind])
const server = await startServer(kind, dir, {}, (minutes + 10) * 60_000)
const own = [`pid=${server.pid}`, `port=${server.ports.broker}`, `namesrv=127.0.0.1:${server.ports.namesrv}`]
const load = (...args) => run([programs.limit, 'load', ...args, ...own]).then(JSON.parse)
const seen = []
try {
  for (let minute = 1; minute <= minutes; minute++) {
    const sent = await load('mode=send', `connections=${CONNECTIONS}`, `pace=${pace}`, 'warm=0', `seconds=${SEND_SECONDS}`)
    const pulled = await load('mode=pull', 'connections=4', 'warm=0', `seconds=${PULL_SECONDS}`)
    if (sent.failed + pulled.failed > 0) throw new Error(`${sent.failed} sends and ${pulled.failed} pulls were refused`)
    const { anonymous, pageTables } = ownMemory(server.pid)
    seen.push(anonymous)
    console.log(JSON.stringify({ minute, sent: sent.count, pulled: pulled.count, p999: sent.p999, anonymous, pageTables }))
  }
  const tenth = Math.max(1, Math.floor(minutes / 10))
  const [early, late] = [median(seen.slice(tenth, 2 * tenth)), median(seen.slice(-tenth))]
  console.log(JSON.stringify({ early, late, ratio: late / early }))
} finally {
  await server.stop()
  rmSync(dir, { recursive: true, force: true })
}

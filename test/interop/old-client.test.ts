/** The Java client of 4.3.0, which sends through the VIP port unless it is told not to. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import t from 'tap'

import { startServers } from './cluster.js'
import { endings } from './endings.js'
import { runJava } from './java-peer.js'

t.setTimeout(300_000)

const BODIES = 40 * 20_000
const listening = () => {}

/** What arrived through each port of this process so far, from now on. */
function bytesByPort(atEnd: (end: () => Promise<unknown>) => void): (port: number) => number {
  const sockets: [port: number, Socket][] = []
  const note = (message: unknown) => {
    const { socket } = message as { socket: Socket }
    sockets.push([socket.localPort!, socket])
  }
  subscribe('net.server.socket', note)
  atEnd(async () => unsubscribe('net.server.socket', note))
  return (port) => sockets.filter(([at]) => at === port).reduce((bytes, [, { bytesRead }]) => bytes + bytesRead, 0)
}

t.test('a client of 4.3.0 sends through the VIP port, in order and with tags, consumes, and consumes again what failed', async (t) => {
  const atEnd = endings(t)
  const { namesrv, broker, stop } = await startServers(t.testdir({}), { mappedFileSizeCommitLog: 1 << 24 })
  atEnd(stop)
  const bytesOf = bytesByPort(atEnd)
  // As long as somebody listens there, Node reads every byte, and its sockets count them.
  subscribe('millrace:request', listening)
  atEnd(async () => unsubscribe('millrace:request', listening))

  const printed = await runJava('OldClient', [namesrv.address], { release: '4.3.0', timeout: 200_000, killSignal: 'SIGKILL' })
  const facts = JSON.parse(printed.split('\n').find((line) => line.startsWith('{'))!)
  t.match(facts, { version: 'V4_3_0', vip: true })
  const { listenPort } = broker.settings
  t.ok(bytesOf(listenPort - 2) > BODIES, `the bodies of ${BODIES} bytes came through the VIP port, with ${bytesOf(listenPort - 2)}`)
  t.ok(bytesOf(listenPort) < BODIES, `and not through the other, with ${bytesOf(listenPort)}`)

  const numbered = (name: string, numbers: Iterable<number>) => Array.from(numbers, (n) => `${name}-${n}`)
  t.same(facts.queues, [0, 1, 2, 3])
  t.same(facts.queuesOfOrders, [[0], [1]], 'each order has its queue')
  t.same(facts.red, numbered('plain', [0, 10, 12, 14, 16, 18, 2, 4, 6, 8]))
  t.equal(facts.redDeliveries, 10)
  for (const order of ['order-0', 'order-1']) t.same(facts[order], numbered(order, Array(10).keys()))
  t.same(facts.again, ['old-topic 0', 'old-topic 1'])
})

/** Connections on which sends come are read by the core; whatever else happens to them happens as on others. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import t, { type Test } from 'tap'
import { type Command, writeCommand } from '#src/protocol/command.js'
import { JSON_HEADER } from '#src/protocol/frame.js'
import * as requests from '#src/protocol/requests/broker.js'
import { newDirectory } from '../store/stores.js'
import type { RemotingPeer } from '../support/remoting.js'
import { peerOf, pull, pulling, send, sending, settings, started } from './started.js'

const command = (more: Partial<Command> & { code: number }): Buffer =>
  writeCommand({
    ...{
      language: 'JAVA',
      version: 409,
      opaque: 1,
      flag: 0,
      remark: undefined,
      type: JSON_HEADER,
      fields: undefined,
      body: Buffer.alloc(0),
    },
    ...more,
  })
const sendFrame = (opaque: number, body: string | Buffer = 'hello') =>
  command({ code: 310, opaque, fields: requests.SEND_MESSAGE_V2.fields.write(sending), body: Buffer.from(body) })
const pullFrame = (opaque: number, fields: object) =>
  command({ code: 11, opaque, fields: requests.PULL_MESSAGE.fields.write({ ...pulling, ...fields }) })

/** A connection whose sends the core takes. */
async function producer(t: Test, address: string): Promise<RemotingPeer> {
  const peer = await peerOf(t, address)
  for (let i = 0; i < 3; i++) t.equal((await send(peer)).code, 0)
  return peer
}

t.test('sends, pulls and other requests in any order on one connection, in a window that is never empty', async (t) => {
  const { broker } = await started(t)
  const one = await producer(t, broker.address)
  const codes = new Map<number, number>()
  for (let i = 0; i < 2000; i++) {
    const opaque = 10_000 + i
    const kind = i % 97 === 0 ? 'pull' : i % 89 === 0 ? 'offset' : 'send'
    codes.set(opaque, 0)
    if (kind === 'pull') one.socket.write(pullFrame(opaque, { queueOffset: i >> 1 }))
    else if (kind === 'offset') one.socket.write(command({ code: 30, opaque, fields: { topic: 'orders', queueId: '0' } }))
    else one.socket.write(sendFrame(opaque, 'x'.repeat(i % 3000)))
    if (i % 50 === 0) await new Promise(setImmediate)
  }
  while (one.pushed.length < 2000) await sleep(5)
  t.equal(new Set(one.pushed.map(({ opaque }) => opaque)).size, 2000)
  t.ok(one.pushed.every(({ code, opaque }) => code === 0 && codes.has(opaque)))
  t.equal(broker.statistics.requests, 2003)
})

t.test('who waits for messages hears of those that the core has taken, on the same connection too', async (t) => {
  const { broker } = await started(t)
  const one = await producer(t, broker.address)
  const two = await producer(t, broker.address)
  const other = await peerOf(t, broker.address)
  for (let offset = 6, turn = 0; turn < 6; offset += 2, turn++) {
    const waits = { queueOffset: offset, sysFlag: requests.PULL_HAS_SUBSCRIPTION | requests.PULL_SUSPENDS }
    const held = [pull(other, waits), pull(one, waits)]
    while (broker.statistics.heldPulls < 2) await sleep(1)
    t.equal((await send(turn % 2 === 0 ? one : two)).code, 0)
    for (const { code, answer } of await Promise.all(held)) t.match({ code, answer }, { code: 0, answer: { nextBeginOffset: offset + 1 } })
    t.equal((await send(two)).code, 0)
  }
})

t.test('a frame that is larger than what the core keeps, in small pieces, and sends behind it', async (t) => {
  const { broker } = await started(t)
  const one = await producer(t, broker.address)
  const bytes = Buffer.concat([sendFrame(1000, Buffer.alloc(300_000, 'x')), ...Array.from({ length: 50 }, (_, i) => sendFrame(1001 + i))])
  for (let at = 0; at < bytes.length; at += 7001) {
    one.socket.write(bytes.subarray(at, at + 7001))
    await new Promise(setImmediate)
  }
  while (one.pushed.length < 51) await sleep(2)
  t.ok(one.pushed.every(({ code }) => code === 0))
  t.equal((await send(one)).code, 0)
})

t.test('what is no frame ends the connection, and no other', async (t) => {
  const { broker } = await started(t)
  const [one, two] = [await producer(t, broker.address), await producer(t, broker.address)]
  one.socket.write(Buffer.concat([sendFrame(1000), Buffer.from('GET / HTTP/1.1\r\n\r\n')]))
  await one.closed()
  t.equal(one.pushed.length, 1, 'what came before it is answered')
  t.equal((await send(two)).code, 0)
})

t.test('a producer that does not read its answers is not read either, and goes on when it does', async (t) => {
  const { broker } = await started(t)
  const [host, port] = broker.address.split(':')
  const deaf = connect({ host: host as string, port: Number(port), noDelay: true })
  t.teardown(() => deaf.destroy())
  await once(deaf, 'connect')
  deaf.pause()
  const many = Buffer.concat(Array.from({ length: 1000 }, (_, i) => sendFrame(1000 + i)))
  let sent = 0
  const writing = setInterval(() => {
    if (deaf.writableLength > 1 << 20) return
    deaf.write(many)
    sent += 1000
  }, 1)
  let before = -1
  while (before !== broker.statistics.requests || before < 10_000) {
    before = broker.statistics.requests
    await sleep(300)
  }
  clearInterval(writing)
  t.ok(sent > broker.statistics.requests, `${broker.statistics.requests} of ${sent} were taken`)
  deaf.resume()
  while (broker.statistics.requests < sent) await sleep(10)
  t.equal(broker.store.bounds('orders', 0).maxOffset, sent)
})

t.test('who is silent is closed, who sends is not', async (t) => {
  const { broker } = await started(t, { settings: { serverChannelMaxIdleTimeSeconds: 1 } })
  const [silent, busy] = [await producer(t, broker.address), await producer(t, broker.address)]
  // The core hears of this one, and Node does not.
  await sleep(600)
  for (const one of [silent, busy]) t.equal((await send(one)).code, 0)
  const gone = silent.closed()
  let closed = false
  void gone.then(() => {
    closed = true
  })
  while (!closed) {
    t.equal((await send(busy)).code, 0)
    await sleep(200)
  }
  for (let i = 0; i < 6; i++) {
    t.equal((await send(busy)).code, 0)
    await sleep(200)
  }
})

t.test('a connection that ends, properly or not, is gone', async (t) => {
  const { broker } = await started(t)
  const connections = () => broker.statistics.connections
  const half = await producer(t, broker.address)
  half.socket.end(sendFrame(1000))
  await half.closed()
  t.match(half.pushed, [{ opaque: 1000, code: 0 }])
  const reset = await producer(t, broker.address)
  reset.socket.resetAndDestroy()
  const destroyed = await producer(t, broker.address)
  destroyed.socket.destroy()
  while (connections() > 0) await sleep(2)
  t.equal((await send(await producer(t, broker.address))).code, 0)
})

t.test('a broker that closes ends its connections; a store that is closed under it is told', async (t) => {
  const first = await started(t)
  const one = await producer(t, first.broker.address)
  const closed = one.closed()
  await first.broker.close()
  await closed
  const second = await started(t)
  const two = await producer(t, second.broker.address)
  await second.broker.store.close()
  t.match(await send(two), { code: 14 })
})

t.test('a thread that is stopped while its broker is read takes nothing with it', async (t) => {
  for (let round = 0; round < 5; round++) {
    const worker = new Worker(new URL('../support/broker-worker.js', import.meta.url), {
      workerData: { ...settings, storePathRootDir: newDirectory(t) },
    })
    const [address] = (await once(worker, 'message')) as [string]
    const peers = await Promise.all(Array.from({ length: 4 }, () => producer(t, address)))
    const closed = peers.map((peer) => peer.closed())
    const sends = peers.map((peer) => send(peer).catch(() => undefined))
    await worker.terminate()
    await Promise.all([...closed, ...sends])
  }
  t.pass('the process is there')
})

/** Pulls that the core answers: as the handler does, as long as nothing has changed that a handler would look at. */
import { subscribe as listen, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Broker } from '#src/broker/broker.js'
import { readCommand, writeCommand } from '#src/protocol/command.js'
import { BINARY_HEADER, FrameReader, JSON_HEADER } from '#src/protocol/frame.js'
import * as requests from '#src/protocol/requests/broker.js'
import type { RemotingPeer } from '../support/remoting.js'
import { heartbeat, messagesIn, peerOf, pull, pulling, send, started, subscribe } from './started.js'

const { PULL_HAS_SUBSCRIPTION: HAS, PULL_SUSPENDS: SUSPENDS, PULL_COMMITS: COMMITS } = requests

/** Whether the core answers what `ask` asks. */
async function plain(broker: Broker, ask: () => Promise<unknown>): Promise<boolean> {
  const before = broker.statistics
  await ask()
  const { requests, plainRequests } = broker.statistics
  return requests - before.requests === 1 && plainRequests - before.plainRequests === 1
}

/** A connection whose pulls of this kind the core answers. */
async function consumer(t: Test, broker: Broker, fields: object = {}): Promise<RemotingPeer> {
  const peer = await peerOf(t, broker.address)
  for (let i = 0; i < 2; i++) await pull(peer, fields)
  t.ok(await plain(broker, () => pull(peer, fields)), 'the core answers')
  return peer
}

async function filled(t: Test, count = 40, settings: object = {}): Promise<Broker> {
  const { broker, peer } = await started(t, { settings })
  const one = await peer()
  for (let i = 0; i < count; i++) await send(one, { i: `TAGS\u0001${i % 2 === 0 ? 'paid' : 'open'}` }, `${i}`)
  return broker
}

t.test('both ways give the same answer', async (t) => {
  for (const slaveReadEnable of [false, true]) {
    const broker = await filled(t, 60, { slaveReadEnable })
    const one = await consumer(t, broker)
    const kinds = [
      ...[{}, { queueOffset: 5 }, { queueOffset: 59 }, { maxMsgNums: 1 }, { maxMsgNums: 0 }, { maxMsgNums: 5000 }],
      ...[{ subscription: 'paid' }, { subscription: 'paid || open' }, { subscription: 'open', queueOffset: 7, maxMsgNums: 3 }],
    ]
    for (const fields of kinds) {
      await pull(one, fields)
      const answers: unknown[] = []
      for (const type of [JSON_HEADER, BINARY_HEADER] as const) {
        one.type = type
        t.equal(await plain(broker, async () => answers.push(await pull(one, fields))), type === JSON_HEADER, JSON.stringify(fields))
      }
      one.type = JSON_HEADER
      const [short, long] = answers as [Awaited<ReturnType<typeof pull>>, Awaited<ReturnType<typeof pull>>]
      t.same({ ...short, command: undefined }, { ...long, command: undefined })
      t.ok(messagesIn(short.body).length > 0)
      // The other header's answer takes the socket back; it is given again when that is out.
      await pull(one, fields)
    }
  }
})

t.test('what has changed since is looked at again', async (t) => {
  const broker = await filled(t)
  const admin = await peerOf(t, broker.address)
  const one = await consumer(t, broker)
  const topic = (perm: number, readQueueNums = 4) =>
    admin.ask(requests.UPDATE_AND_CREATE_TOPIC, {
      ...{ topic: 'orders', defaultTopic: 'TBW102', readQueueNums, writeQueueNums: 4, perm, topicFilterType: 'SINGLE_TAG' },
      ...{ topicSysFlag: 0, order: false },
    })
  await topic(2)
  t.match(await pull(one), { code: 16 })
  await topic(6)
  t.match(await pull(one), { code: 0 })
  const group = (more: object) =>
    admin.ask(requests.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, {}, Buffer.from(JSON.stringify({ groupName: 'CG', ...more })))
  await group({ consumeEnable: false })
  t.match(await pull(one), { code: 16 })
  await group({})
  for (let i = 0; i < 2; i++) t.match(await pull(one), { code: 0 })
  t.ok(await plain(broker, () => pull(one)))
  await admin.ask(requests.DELETE_TOPIC_IN_BROKER, { topic: 'orders' })
  t.match(await pull(one), { code: 17 })
})

t.test('a pull without an expression gets what its group has subscribed to by then', async (t) => {
  const broker = await filled(t)
  const fields = { sysFlag: 0, subscription: undefined, subVersion: 1 }
  const member = await peerOf(t, broker.address)
  await heartbeat(member, 'c1', 'CG', [subscribe('orders', 'paid', 1)])
  const one = await consumer(t, broker, fields)
  t.equal(messagesIn((await pull(one, fields)).body).length, 20)
  t.match(await pull(one, { ...fields, subVersion: 2 }), { code: 25 })
  await heartbeat(member, 'c1', 'CG', [subscribe('orders', '*', 2)])
  for (let i = 0; i < 3; i++) t.equal(messagesIn((await pull(one, { ...fields, subVersion: 2 })).body).length, 32)
  t.ok(await plain(broker, () => pull(one, { ...fields, subVersion: 2 })))
  member.close()
  await member.closed()
  while ((await pull(one, fields)).code !== 24) await sleep(5)
  t.pass('who has no group is told so')
})

t.test('offsets that pulls commit count; a pull at the end waits, and what comes then is delivered', async (t) => {
  const broker = await filled(t)
  const one = await consumer(t, broker)
  const other = await peerOf(t, broker.address)
  const committed = async () =>
    (await other.ask(requests.QUERY_CONSUMER_OFFSET, { consumerGroup: 'CG', topic: 'orders', queueId: 0 })).answer.offset
  t.ok(await plain(broker, () => pull(one, { sysFlag: HAS | COMMITS, commitOffset: 17 })))
  t.equal(await committed(), 17)
  t.ok(await plain(broker, () => pull(one, { commitOffset: 18 })))
  t.equal(await committed(), 17, 'without the bit it is not one')
  for (let offset = 40; offset < 50; offset++) {
    const waits = pull(one, { queueOffset: offset, sysFlag: HAS | SUSPENDS | COMMITS, commitOffset: offset })
    while (broker.statistics.heldPulls === 0) await sleep(1)
    t.equal(await committed(), offset)
    // On the connection that waits too.
    await send(offset % 2 === 0 ? other : one)
    t.match(await waits, { code: 0, answer: { nextBeginOffset: offset + 1 } })
    t.match(await pull(one), { code: 0 })
  }
})

t.test('who waits gets the same answer from the core as from the handler, and what does not match is passed over', async (t) => {
  const broker = await filled(t)
  const sender = await peerOf(t, broker.address)
  const waiters: RemotingPeer[] = []
  for (const subscription of ['paid', '*', 'paid', '*']) waiters.push(await consumer(t, broker, { subscription }))
  for (const one of waiters.slice(0, 2)) one.type = BINARY_HEADER
  for (let offset = 40; offset < 60; offset += 2) {
    const waits = waiters.map((one, i) =>
      pull(one, { queueOffset: offset, sysFlag: HAS | SUSPENDS, subscription: i % 2 === 0 ? 'paid' : '*' }),
    )
    while (broker.statistics.heldPulls < 4) await sleep(1)
    await send(sender, { i: 'TAGS\u0001open' }, `${offset}`)
    const [long, short] = [await waits[1], await waits[3]]
    t.same({ ...short, command: undefined }, { ...long, command: undefined })
    t.match(
      messagesIn(short!.body).map(({ queueOffset }) => queueOffset),
      [offset],
    )
    t.equal(broker.statistics.heldPulls, 2)
    await send(sender, { i: 'TAGS\u0001paid' }, `${offset + 1}`)
    const [first, second] = [await waits[0], await waits[2]]
    t.same({ ...second, command: undefined }, { ...first, command: undefined })
    t.match(
      messagesIn(second!.body).map(({ queueOffset }) => queueOffset),
      [offset + 1],
    )
  }
})

t.test(
  'one at the end of its queue waits without a handler having seen it, and is answered with nothing when its time is up',
  async (t) => {
    let now = Date.now()
    const { broker, peer } = await started(t, { now: () => now, sweepIntervalMs: 5 })
    const sender = await peer()
    for (let i = 0; i < 40; i++) await send(sender, {}, `${i}`)
    const one = await consumer(t, broker)
    const waiting = { queueOffset: 40, sysFlag: HAS | SUSPENDS | COMMITS, commitOffset: 33 }
    for (let i = 0; i < 3; i++) {
      const { requests: before, plainRequests } = broker.statistics
      const waits = pull(one, waiting)
      while (broker.statistics.heldPulls === 0) await sleep(1)
      t.match(broker.statistics, { requests: before + 1, plainRequests: plainRequests + 1 })
      // Others of the same connection are answered meanwhile.
      t.match(await pull(one), { code: 0 })
      now += 14_999
      await sleep(20)
      t.equal(broker.statistics.heldPulls, 1)
      now += 1
      const short = await waits
      one.type = BINARY_HEADER
      const second = pull(one, waiting)
      while (broker.statistics.heldPulls === 0) await sleep(1)
      now += 15_000
      t.same({ ...short, command: undefined }, { ...(await second), command: undefined })
      t.match(short, { code: 19, command: { fields: { nextBeginOffset: '40', minOffset: '0', maxOffset: '40' } } })
      one.type = JSON_HEADER
      t.match(await pull(one), { code: 0 })
    }
    // Without the bit nothing waits, and behind the end neither.
    t.match(await pull(one, { queueOffset: 40 }), { code: 19 })
    t.match(await pull(one, { queueOffset: 41, sysFlag: HAS | SUSPENDS }), { code: 21 })
    const gone = pull(one, waiting).catch(() => {})
    while (broker.statistics.heldPulls === 0) await sleep(1)
    one.close()
    while (broker.statistics.heldPulls > 0) await sleep(1)
    await gone
  },
)

t.test('where too many wait, and where none may wait long, the handler decides', async (t) => {
  const crowded = await filled(t, 40, { pullThreadPoolQueueCapacity: 1 })
  const one = await consumer(t, crowded)
  const waits = pull(one, { queueOffset: 40, sysFlag: HAS | SUSPENDS })
  while (crowded.statistics.heldPulls === 0) await sleep(1)
  t.match(await pull(one, { queueOffset: 40, sysFlag: HAS | SUSPENDS }), { code: 19 })
  await send(one)
  t.match(await waits, { code: 0 })
  const short = await filled(t, 40, { longPollingEnable: false, shortPollingTimeMills: 30 })
  const other = await consumer(t, short)
  t.match(await pull(other, { queueOffset: 40, sysFlag: HAS | SUSPENDS }), { code: 19 })
})

t.test('what comes in behind a pull that waits, in the same piece, is for it too', async (t) => {
  const broker = await filled(t)
  const one = await consumer(t, broker)
  await send(one)
  await pull(one)
  for (let offset = 41; offset < 61; offset++) {
    const before = broker.statistics.plainRequests
    one.socket.cork()
    const waits = pull(one, { queueOffset: offset, sysFlag: HAS | SUSPENDS })
    const sent = send(one, { i: '' }, `${offset}`)
    one.socket.uncork()
    t.match(await sent, { code: 0, answer: { queueOffset: offset } })
    t.match(await waits, { code: 0, answer: { nextBeginOffset: offset + 1 } })
    t.equal(broker.statistics.plainRequests - before, 2)
  }
})

t.test('who listens to the diagnostics channel hears of every pull', async (t) => {
  const broker = await filled(t)
  const one = await consumer(t, broker)
  const heard: unknown[] = []
  const onRequest = (message: unknown) => heard.push((message as { code: number }).code)
  listen('millrace:request', onRequest)
  for (let i = 0; i < 3; i++) t.match(await pull(one), { code: 0 })
  unsubscribe('millrace:request', onRequest)
  t.same(heard, [11, 11, 11])
  await pull(one)
  t.ok(await plain(broker, () => pull(one)))
})

t.test('under synchronous flush pulls are plain, and sends on the same connection wait for the disk', async (t) => {
  const broker = await filled(t, 10, { flushDiskType: 'SYNC_FLUSH' })
  const one = await consumer(t, broker)
  for (let i = 10; i < 40; i++) {
    const [sent, pulled] = await Promise.all([send(one), pull(one, { queueOffset: i - 1 })])
    t.match([sent.code, pulled.code], [0, 0])
  }
  await pull(one)
  t.ok(await plain(broker, () => pull(one)))
})

t.test('a consumer that does not read its answers costs a bounded memory, and gets each of them when it does', async (t) => {
  const broker = await filled(t, 8)
  const sender = await peerOf(t, broker.address)
  for (let i = 0; i < 32; i++) await send(sender, {}, 'x'.repeat(4000))
  const expected = (await pull(await consumer(t, broker), { maxMsgNums: 40 })).body
  t.ok(expected.length > 90_000)
  const [host, port] = broker.address.split(':')
  const deaf = connect({ host: host as string, port: Number(port), noDelay: true })
  t.teardown(() => deaf.destroy())
  await once(deaf, 'connect')
  deaf.pause()
  const asked = 400
  const fields = requests.PULL_MESSAGE.fields.write({ ...pulling, maxMsgNums: 40 })
  const before = process.memoryUsage()
  for (let opaque = 0; opaque < asked; opaque++) {
    const command = {
      code: 11,
      opaque,
      fields,
      flag: 0,
      language: 'JAVA' as const,
      version: 409,
      remark: undefined,
      type: JSON_HEADER,
    } as const
    deaf.write(writeCommand({ ...command, body: Buffer.alloc(0) }))
    if (opaque % 40 === 0) await sleep(2)
  }
  await sleep(300)
  const { rss, external } = process.memoryUsage()
  t.ok(external - before.external < 64 << 20, `${external - before.external} bytes outside the heap, ${rss - before.rss} in all`)
  const reader = new FrameReader()
  const got = new Set<number>()
  deaf.on('data', (chunk) => {
    reader.push(chunk)
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
      const { code, opaque, body } = readCommand(frame)
      if (code !== 0 || !body.equals(expected)) t.fail(`answer ${opaque}: ${code}, ${body.length} bytes`)
      got.add(opaque)
    }
  })
  deaf.resume()
  while (got.size < asked) await sleep(5)
  t.pass('all are there, whole')
})

t.test('a consumer that is reset in the middle of its answers, and a broker that closes among them', async (t) => {
  const broker = await filled(t)
  const fields = requests.PULL_MESSAGE.fields.write(pulling)
  const many = Array.from({ length: 300 }, (_, opaque) =>
    writeCommand({
      ...{ code: 11, opaque, fields, flag: 0, language: 'JAVA', version: 409, remark: undefined, type: JSON_HEADER },
      body: Buffer.alloc(0),
    }),
  )
  for (let i = 0; i < 5; i++) {
    const one = await consumer(t, broker)
    one.socket.pause()
    for (const frame of many) one.socket.write(frame)
    await sleep(i)
    one.socket.resetAndDestroy()
  }
  while (broker.statistics.connections > 1) await sleep(5)
  const last = await consumer(t, broker)
  for (const frame of many) last.socket.write(frame)
  const closed = last.closed()
  await broker.close()
  await closed
})

/** Sends that go the short way are stored and answered as those that go through the handlers. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import fc from 'fast-check'
import t from 'tap'
import { writeBatch } from '#src/protocol/bodies/batch.js'
import { writeCommand } from '#src/protocol/command.js'
import { BINARY_HEADER, JSON_HEADER } from '#src/protocol/frame.js'
import * as requests from '#src/protocol/requests/broker.js'
import type { Message } from '#src/store/message.js'
import type { RemotingPeer } from '../support/remoting.js'
import { messagesIn, peerOf, pull, send, sending, started } from './started.js'

/** The other header takes the handlers' way, and says the same. */
const ways = [JSON_HEADER, BINARY_HEADER] as const

const text = fc.string({ unit: fc.constantFrom(...'abZ09 _-|%"\\/äλ😀\t\u0001\u0002'), maxLength: 12 })
const piece = fc
  .tuple(fc.oneof(text, fc.constantFrom('TAGS', 'KEYS', 'UNIQ_KEY', 'WAIT', 'CLUSTER')), text)
  .map(([name, value]) => `${name}\u0001${value}`)
const properties = fc.array(piece, { maxLength: 5 }).map((pieces) => pieces.join('\u0002'))

function seen({ topic, queueId, flag, sysFlag, bornTimestamp, reconsumeTimes, properties, tags, keys, body }: Message) {
  return {
    topic,
    queueId,
    flag,
    sysFlag,
    bornTimestamp,
    reconsumeTimes,
    properties: { ...properties },
    tags,
    keys,
    body: body.toString('hex'),
  }
}

async function both(one: RemotingPeer, fields: object, body: Buffer) {
  const answers: unknown[] = []
  for (const type of ways) {
    one.type = type
    const { code, remark, fields: told } = await one.ask(requests.SEND_MESSAGE_V2, { ...sending, ...fields }, body)
    answers.push({
      code,
      remark: remark?.replace(/:\d+$/, ''),
      fields: told && { ...told, msgId: told.msgId?.length, queueOffset: undefined },
    })
  }
  one.type = JSON_HEADER
  return answers
}

t.test('whatever the properties, the body and the numbers, both ways agree', async (t) => {
  const { peer } = await started(t)
  const one = await peer()
  await send(one)
  let offset = 1
  await fc.assert(
    fc.asyncProperty(
      fc.record({ i: properties, h: fc.integer(), f: fc.constantFrom(0, 1, 769), j: fc.nat(3), g: fc.nat() }),
      fc.uint8Array({ maxLength: 40 }),
      async (fields, body) => {
        const [short, long] = await both(one, fields, Buffer.from(body))
        t.same(short, long)
        const stored = messagesIn((await pull(one, { queueOffset: offset, maxMsgNums: 2 })).body)
        t.equal(stored.length, 2)
        t.same(seen(stored[0]!), seen(stored[1]!))
        offset += 2
      },
    ),
    { numRuns: 150 },
  )
})

t.test('batches too', async (t) => {
  const { peer } = await started(t)
  const one = await peer()
  await send(one)
  let offset = 1
  const entry = fc.record({ flag: fc.integer(), body: fc.uint8Array({ maxLength: 20 }), properties })
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 5 }), async (entries) => {
      const [short, long] = await both(one, { m: true, i: 'WAIT\u0001true' }, writeBatch(entries))
      t.same(short, long)
      const stored = messagesIn((await pull(one, { queueOffset: offset })).body).map(seen)
      t.same(stored.slice(0, entries.length), stored.slice(entries.length))
      offset += 2 * entries.length
    }),
    { numRuns: 60 },
  )
})

t.test('refusals come in the words of the handlers, in the middle of others', async (t) => {
  const { broker } = await started(t, { settings: { maxMessageSize: 1000 } })
  const one = await peerOf(t, broker.address)
  await send(one)
  for (const fields of [{ e: 4 }, { b: 'ö' }, { i: `a\u0001${'x'.repeat(32767)}` }, { i: 'TRAN_MSG\u0001true' }, { i: 'DELAY\u00013' }])
    t.same(...((await both(one, fields, Buffer.from('x'))) as [unknown, unknown]))
  t.same(...((await both(one, {}, Buffer.alloc(1001))) as [unknown, unknown]))
  const answers = await Promise.all([
    send(one),
    send(one, { e: 4 }),
    send(one, { i: `a\u0001${'x'.repeat(32767)}` }),
    send(one),
    send(one, {}, 'x'.repeat(1001)),
    send(one),
  ])
  t.same(
    answers.map(({ code }) => code),
    [0, 1, 13, 0, 13, 0],
  )
})

t.test('frames in any pieces, many at once, each answered once', async (t) => {
  const { broker } = await started(t)
  const one = await peerOf(t, broker.address)
  await send(one)
  const frames = Array.from({ length: 300 }, (_, i) =>
    writeCommand({
      ...{
        code: i % 7 === 0 ? 30 : 310,
        language: 'JAVA' as const,
        version: 409,
        flag: 0,
        remark: undefined,
        type: JSON_HEADER,
        opaque: 1000 + i,
      },
      fields: i % 7 === 0 ? { topic: 'orders', queueId: '0' } : requests.SEND_MESSAGE_V2.fields.write(sending),
      body: Buffer.alloc(i * 3, 'x'),
    }),
  )
  const bytes = Buffer.concat(frames)
  const before = one.pushed.length
  for (let at = 0, step = 1; at < bytes.length; at += step, step = (step * 7) % 9973) {
    one.socket.write(bytes.subarray(at, at + step))
    if (step % 5 === 0) await new Promise(setImmediate)
  }
  while (one.pushed.length < before + 300) await new Promise((resolve) => setTimeout(resolve, 5))
  t.same(
    one.pushed
      .slice(before)
      .map(({ opaque }) => opaque)
      .sort((a, b) => a - b),
    frames.map((_, i) => 1000 + i),
  )
  t.equal(broker.statistics.requests, 301)
  t.equal(broker.store.bounds('orders', 0).maxOffset, 1 + 300 - Math.ceil(300 / 7))
})

t.test('under synchronous flush an answer comes after the disk; one that waits for a slave says what became of it', async (t) => {
  const { broker, peer } = await started(t, { settings: { flushDiskType: 'SYNC_FLUSH' } })
  const one = await peer()
  await send(one)
  await Promise.all(Array.from({ length: 20 }, () => send(one)))
  t.equal(broker.store.flushedLogOffset, broker.store.maxLogOffset)
  const slaves = await started(t, { settings: { brokerRole: 'SYNC_MASTER' } })
  const two = await slaves.peer()
  await send(two)
  t.same(...((await both(two, {}, Buffer.from('x'))) as [unknown, unknown]))
  t.match(await send(two), { code: 11, fields: { queueOffset: '3' } })
})

t.test('whoever listens to the diagnostics channels hears of every send', async (t) => {
  const { peer } = await started(t, { settings: { regionId: 'a "region"' } })
  const one = await peer()
  await send(one)
  t.match(await send(one), { code: 0, fields: { MSG_REGION: 'a "region"' } })
  const heard: unknown[] = []
  const listen = (message: unknown) => heard.push(message)
  for (const name of ['millrace:request', 'millrace:answer']) subscribe(name, listen)
  t.match(await send(one), { code: 0 })
  for (const name of ['millrace:request', 'millrace:answer']) unsubscribe(name, listen)
  t.match(await send(one), { code: 0, fields: { queueOffset: '3' } })
  t.match(heard, [
    { code: 310, remote: /^127/ },
    { code: 310, answer: 0 },
  ])
  t.equal(heard.length, 2)
})

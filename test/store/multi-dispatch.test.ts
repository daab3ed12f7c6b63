/** Messages that enter further queues: multi-dispatch, and LMQ's light queues among them. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type MessageStore, verifyStore } from '#src/index.js'
import { queuesOf } from '../support/contents.js'
import { fixture } from '../support/fixtures.js'
import { bodiesOf, bodyOf, collect, newDirectory, openAt, openNew, refusal, small } from './stores.js'

t.setTimeout(60_000)

const settings = { ...small, enableMultiDispatch: true, enableLmq: true }
const to = (names: string, more: object = {}) => ({ topic: 'orders', queueId: 3, ...more, properties: { INNER_MULTI_DISPATCH: names } })

/** Log offsets of a queue's messages, by its units. */
const offsetsIn = (store: MessageStore, topic: string, queueId: number): number[] =>
  [...store.consumeQueue(topic, queueId).units()].map(({ logOffset }) => logOffset)

t.test('a message is in each queue that it names, with its number there in its record, by every way of appending', async (t) => {
  const store = await openNew(t, { settings })
  const results = [
    await store.append(to('%LMQ%a,other', { body: '0' })),
    store.appendSync(to('%LMQ%a', { body: '1' })),
    ...(await Promise.all([store.append(to('other,%LMQ%a', { body: '2' })), store.append(to('other', { body: '3' }))])),
    ...(await store.appendBatch([
      to('%LMQ%a', { body: '4' }),
      { topic: 'other', queueId: 3, body: '5' },
      to('%LMQ%a,other', { body: '6' }),
    ])),
    ...(await store.appendBatch([to('%LMQ%a', { body: '7' }), to('%LMQ%a', { body: '8' })], { atomic: true })),
  ]
  t.same(
    results.map(({ queueOffset }) => queueOffset),
    [0, 1, 2, 3, 4, 3, 5, 6, 7],
  )
  const records = await collect(store.records())
  t.same(
    records.map(({ properties }) => properties.INNER_MULTI_QUEUE_OFFSET),
    ['0,0', '1', '1,2', '2', '3', undefined, '4,4', '5', '6'],
  )
  t.same(await bodiesOf(store, '%LMQ%a'), ['0', '1', '2', '4', '6', '7', '8'])
  t.same(await bodiesOf(store, 'other', 3), ['0', '2', '3', '5', '6'])
  t.same(store.topics().sort(), ['%LMQ%a', 'orders', 'other'])
  const rows = queuesOf(store)
  await store.close()
  t.same((await verifyStore(store.directory, { settings })).findings, [])
  t.same((await verifyStore(store.directory)).findings, [], 'and without the settings')

  const again = await openAt(t, store.directory, { settings })
  t.same(queuesOf(again), rows)
  await again.append(to('%LMQ%a,other'))
  t.equal((await collect(again.records())).at(-1)?.properties.INNER_MULTI_QUEUE_OFFSET, '7,5')
  await again.close()

  // As after a crash that took the queues.
  for (const part of ['consumequeue', 'millrace', 'checkpoint']) rmSync(join(store.directory, part), { recursive: true })
  const rebuilt = await openAt(t, store.directory, { settings })
  t.match(await rebuilt.append(to('%LMQ%a,other')), { queueOffset: 9 })
  t.equal((await collect(rebuilt.records())).at(-1)?.properties.INNER_MULTI_QUEUE_OFFSET, '8,6')
})

t.test('who reads a further queue gets the records as they are, and goes on by the numbers of that queue', async (t) => {
  const store = await openNew(t, { settings })
  for (let i = 0; i < 50; i++) await store.append({ topic: 'orders', queueId: i % 2, body: `own ${i}` })
  for (let i = 0; i < 60; i++) await store.append(to('%LMQ%a', { queueId: i % 3, body: `${i}`, tags: i % 4 === 0 ? 'fourth' : 'other' }))
  const light = { topic: '%LMQ%a', queueId: 0 }
  const page = await store.pull({ ...light, offset: 10, maxMessages: 5 })
  t.match(page, { status: 'FOUND', nextOffset: 15, minOffset: 0, maxOffset: 60 })
  const [first] = page.messages
  t.match(first, { topic: 'orders', queueId: 1, queueOffset: 28, logOffset: offsetsIn(store, '%LMQ%a', 0)[10] })
  t.equal(first?.queueOffsetIn('%LMQ%a', 0), 10)
  t.equal(first?.queueOffsetIn('%LMQ%a', 1), 10, 'its id where the store has no enableLmq')
  t.equal(first?.queueOffsetIn('%LMQ%a', 2), undefined)
  t.equal(first?.queueOffsetIn('orders', 1), 28)
  t.equal(first?.queueOffsetIn('orders', 0), undefined)

  const fourth = Array.from({ length: 15 }, (_, i) => `${4 * i}`)
  t.same((await collect(store.messages({ ...light, tags: 'fourth' }))).map(bodyOf), fourth)
  const filter = {
    matchesTagCode: (code: bigint) => code !== 0n,
    matchesMessage: (message: { tags?: string }) => message.tags === 'fourth',
  }
  t.same((await collect(store.messages({ ...light, filter: filter as never }))).map(bodyOf), fourth)
  t.same((await store.pullRaw({ ...light, offset: 58 })).count, 2)
  t.same((await store.pullRanges({ ...light, offset: 58, tags: 'other' })).count, 2)

  const cursor = await store.cursor('reader')
  const seen: string[] = []
  for await (const message of cursor.messages(light)) {
    seen.push(bodyOf(message))
    if (seen.length === 21) break
  }
  t.equal(cursor.position('%LMQ%a', 0), 20, 'the last one is not behind the loop yet')
  for await (const message of cursor.messages(light)) seen.push(bodyOf(message))
  t.same(seen.slice(20), ['20', ...Array.from({ length: 40 }, (_, i) => `${20 + i}`)])

  const reader = await openAt(t, store.directory, { readOnly: true, settings: small })
  t.equal((await reader.pull({ ...light, offset: 60 })).status, 'OFFSET_OVERFLOW_ONE')
  await store.append(to('%LMQ%a', { body: 'new' }))
  await store.flush()
  t.same((await reader.pull({ ...light, offset: 60 })).messages.map(bodyOf), ['new'], 'a reader follows it, and needs no settings')
})

t.test('names that are no topics refuse the message, and what comes with it when all or nothing is asked for', async (t) => {
  const store = await openNew(t, { settings })
  const bad = to('good,a/b')
  for (const work of [() => store.append(bad), () => store.appendSync(bad)]) {
    const error = await refusal(work)
    t.equal(error.code, 'MESSAGE_ILLEGAL')
    t.match(error.message, /INNER_MULTI_DISPATCH/)
  }
  const [one, two] = await Promise.allSettled([store.append(bad), store.append(to('fine'))])
  t.same([one.status, two.status], ['rejected', 'fulfilled'])
  t.match(await refusal(() => store.appendBatch([to('fine'), bad])), { code: 'MESSAGE_ILLEGAL', index: 1, message: /INNER_MULTI_DISPATCH/ })
  t.same(
    store.queues().filter(({ maxOffset }) => maxOffset > 0),
    [
      { topic: 'fine', queueId: 3, minOffset: 0, maxOffset: 1 },
      { topic: 'orders', queueId: 3, minOffset: 0, maxOffset: 1 },
    ],
  )
  t.notOk(store.topics().includes('good'))
  const long = { topic: 'orders', properties: { INNER_MULTI_DISPATCH: 'fine', long: 'x'.repeat(32_720) } }
  t.equal((await refusal(() => store.append(long))).code, 'PROPERTIES_SIZE_EXCEEDED')
})

t.test('a disk without room for a unit of a further queue refuses the message, and gives its numbers to the next', async (t) => {
  const store = await openNew(t, { settings, faults: 'reserve:errno=28:path=queue-side:times=2' })
  const before = store.maxLogOffset
  for (const work of [() => store.append(to('%LMQ%a,side')), () => store.appendBatch([to('%LMQ%a'), to('side')])])
    t.equal((await refusal(work)).code, 'DISK_FULL')
  t.equal(store.maxLogOffset, before)
  t.match(await store.append(to('%LMQ%a,side')), { queueOffset: 0 })
  t.equal((await collect(store.records()))[0]?.properties.INNER_MULTI_QUEUE_OFFSET, '0,0')
})

t.test("lmq-4.9: Java's further queues go on with the numbers that follow", async (t) => {
  const { dir, settings, manifest } = fixture('lmq-4.9')
  const store = await openAt(t, dir, { settings })
  const { maxOffset } = manifest.queues.find(({ topic }) => topic.startsWith('%LMQ%'))!
  const light = manifest.queues.find(({ topic }) => topic.startsWith('%LMQ%'))!.topic
  await store.append({ topic: 'added', properties: { INNER_MULTI_DISPATCH: light } })
  const [message] = (await store.pull({ topic: light, queueId: 0, offset: maxOffset })).messages
  t.match(message, { topic: 'added', queueOffset: 0 })
  t.equal(message?.queueOffsetIn(light, 0), maxOffset)
})

t.test('a cursor in a queue that it may have stays where it was when the store opens again', async (t) => {
  const directory = newDirectory(t)
  const store = await openAt(t, directory, { settings })
  for (let i = 0; i < 10; i++) await store.append(to('%LMQ%a', { body: `${i}` }))
  const cursor = await store.cursor('reader')
  cursor.seek('%LMQ%a', 0, 4)
  await cursor.commit()
  await store.close()
  const again = await openAt(t, directory, { settings })
  t.same((await collect((await again.cursor('reader')).messages({ topic: '%LMQ%a', queueId: 0 }))).map(bodyOf), [
    '4',
    '5',
    '6',
    '7',
    '8',
    '9',
  ])
})

import t from 'tap'
import { type Message, type MessageFilter, TagFilter } from '#src/index.js'
import { bodiesOf, bodyOf, collect, newDirectory, numbered, openAt, openNew, refusal, small } from './stores.js'

t.setTimeout(120_000)

const queue = { topic: 'orders', queueId: 0 }

t.test('every pull status is given where RocketMQ gives it', async (t) => {
  const store = await openNew(t)
  const status = async (offset: number, more = {}) => {
    const { status, nextOffset, minOffset, maxOffset, messages } = await store.pull({ ...queue, offset, ...more })
    return [status, nextOffset, minOffset, maxOffset, messages.length]
  }
  t.same(await status(0), ['NO_MESSAGE_IN_QUEUE', 0, 0, 0, 0], 'an unknown topic')
  await store.appendBatch(numbered(50))
  t.same(await status(0, { queueId: 1 }), ['NO_MESSAGE_IN_QUEUE', 0, 0, 0, 0], 'an unknown queue')
  t.same(await status(0), ['FOUND', 20, 0, 50, 20], 'a pull ends with its queue file, as in RocketMQ')
  t.same(await status(20, { maxMessages: 7 }), ['FOUND', 27, 0, 50, 7])
  t.same(await status(49), ['FOUND', 50, 0, 50, 1])
  t.same(await status(50), ['OFFSET_OVERFLOW_ONE', 50, 0, 50, 0])
  t.same(await status(51), ['OFFSET_OVERFLOW_BADLY', 50, 0, 50, 0])
  t.same(await status(Number.MAX_SAFE_INTEGER), ['OFFSET_OVERFLOW_BADLY', 50, 0, 50, 0])
  t.same(await status(0, { tags: 'none' }), ['NO_MATCHED_MESSAGE', 20, 0, 50, 0])
  t.same(await status(45, { tags: 'none' }), ['NO_MATCHED_MESSAGE', 50, 0, 50, 0])
})

t.test('where retention took the first segments, lower offsets are too small and bounds begin behind them', async (t) => {
  const directory = newDirectory(t)
  const { rm, readdir } = await import('node:fs/promises')
  const { join } = await import('node:path')
  const first = await openAt(t, directory)
  await first.appendBatch(Array.from({ length: 600 }, (_, i) => ({ topic: i < 2 ? 'old' : 'orders', body: `${i}`.padEnd(400, '.') })))
  await first.close()
  for (const segment of (await readdir(join(directory, 'commitlog'))).sort().slice(0, 2)) await rm(join(directory, 'commitlog', segment))
  const store = await openAt(t, directory)
  const min = store.bounds('orders', 0).minOffset
  t.equal(store.minLogOffset, 2 * small.mappedFileSizeCommitLog)
  t.ok(min > 0 && min < 598)
  const tooSmall = await store.pull({ ...queue, offset: min - 1 })
  t.match(tooSmall, { status: 'OFFSET_TOO_SMALL', nextOffset: min, minOffset: min, maxOffset: 598 })
  const { messages } = await store.pull({ ...queue, offset: min })
  t.equal(messages[0]?.queueOffset, min)
  t.ok((messages[0] as Message).logOffset >= store.minLogOffset)
  t.equal((await collect(store.messages(queue))).length, 598 - min, 'messages() begins at the first that is there')
  t.same(store.bounds('old', 0), { minOffset: 2, maxOffset: 2 }, 'a queue whose messages are all gone keeps its number')
  t.equal((await store.append({ topic: 'old' })).queueOffset, 2)
  t.equal(await store.messageAt(0), undefined)
  t.equal((await collect(store.records()))[0]?.logOffset, store.minLogOffset)
})

t.test('a tag is matched exactly although its hash collides', async (t) => {
  const store = await openNew(t)
  const tags = ['Aa', 'BB', undefined, 'größe', 'AaAa', 'BBBB', 'AaBB']
  await store.appendBatch(
    Array.from({ length: 70 }, (_, i) => ({ ...queue, body: `${i}`, ...(tags[i % 7] ? { tags: tags[i % 7] as string } : {}) })),
  )
  const pulled = async (expression: string | TagFilter) => [
    ...new Set((await collect(store.messages({ ...queue, tags: expression }))).map((message) => message.tags)),
  ]
  t.same(await pulled('Aa'), ['Aa'])
  t.same(await pulled('BB'), ['BB'])
  t.same(await pulled('BBBB || größe'), ['größe', 'BBBB'])
  t.same(await pulled(new TagFilter('AaBB||Aa')), ['Aa', 'AaBB'])
  t.same(await pulled('*'), tags)
  t.same(await pulled('CC'), [])
  const page = await store.pull({ ...queue, offset: 0, tags: 'BB' })
  t.match(page, { status: 'FOUND', nextOffset: 20 })
  t.same(page.messages.map(bodyOf), ['1', '8', '15'])
  const raw = await store.pullRaw({ ...queue, offset: 0, tags: 'Aa' })
  t.equal(raw.count, 3)
  const ranges = await store.pullRanges({ ...queue, offset: 0, tags: 'Aa' })
  t.equal(ranges.count, 3, 'ranges too are compared with the record')
})

t.test('a raw pull goes into memory of the caller where it fits', async (t) => {
  const store = await openNew(t)
  await store.appendBatch(Array.from({ length: 9 }, (_, i) => ({ ...queue, body: `${i}`, tags: i % 2 ? 'odd' : 'even' })))
  const own = await store.pullRaw({ ...queue, offset: 0 })
  const memory = new Uint8Array(4096).fill(7)
  const into = memory.subarray(100)
  const pulled = await store.pullRaw({ ...queue, offset: 0, into })
  t.same(pulled, own)
  t.equal(pulled.bytes.buffer, memory.buffer)
  t.equal(pulled.bytes.byteOffset, 100)
  t.ok(memory.subarray(0, 100).every((byte) => byte === 7) && memory.subarray(100 + own.bytes.length).every((byte) => byte === 7))
  const odd = await store.pullRaw({ ...queue, offset: 0, tags: 'odd', into })
  t.same(odd.bytes, (await store.pullRaw({ ...queue, offset: 0, tags: 'odd' })).bytes)
  t.equal(odd.bytes.buffer, memory.buffer)
  const short = await store.pullRaw({ ...queue, offset: 0, into: new Uint8Array(own.bytes.length - 1) })
  t.same(short, own, 'a buffer of its own where it does not fit')
  t.equal((await store.pullRaw({ ...queue, offset: 9, into })).bytes.length, 0)
  t.equal((await refusal(() => store.pullRaw({ ...queue, offset: 0, into: [] as never }))).code, 'INVALID_ARGUMENT')
  const gone = new Uint8Array(4096)
  structuredClone(gone, { transfer: [gone.buffer] })
  t.same(await store.pullRaw({ ...queue, offset: 0, into: gone }), own, 'detached memory holds nothing')
})

t.test('a filter sees the tag hash first and then the message', async (t) => {
  const store = await openNew(t)
  await store.appendBatch(Array.from({ length: 18 }, (_, i) => ({ ...queue, tags: i % 2 ? 'odd' : 'even', body: `${i}` })))
  const codes = new Set<bigint>()
  const looked: string[] = []
  const [first] = [...store.consumeQueue('orders', 0).units()]
  const filter: MessageFilter = {
    matchesTagCode: (code) => {
      codes.add(code)
      return code === first?.tagCode
    },
    matchesMessage: (message) => {
      looked.push(bodyOf(message))
      return Number(bodyOf(message)) > 9
    },
  }
  const page = await store.pull({ ...queue, offset: 0, filter })
  t.same(page.messages.map(bodyOf), ['10', '12', '14', '16'])
  t.equal(codes.size, 2)
  t.same(looked, ['0', '2', '4', '6', '8', '10', '12', '14', '16'])
  t.match(await store.pull({ ...queue, offset: 17, filter }), { status: 'NO_MATCHED_MESSAGE', nextOffset: 18, messages: [] })
  t.same((await collect(store.messages({ ...queue, filter }))).map(bodyOf), ['10', '12', '14', '16'])
  t.same((await collect(store.messages({ ...queue, tags: 'odd', filter: new TagFilter('odd') }))).length, 9)
  for (const way of ['pullRaw', 'pullRanges'] as const)
    t.equal((await refusal(() => store[way]({ ...queue, offset: 0, filter }))).code, 'INVALID_ARGUMENT', way)
})

t.test('a pull is limited by messages, by bytes and by RocketMQ, and returns one message at least', async (t) => {
  const store = await openNew(t, { settings: { ...small, mappedFileSizeCommitLog: 4 << 20, mappedFileSizeConsumeQueue: 20_000 } })
  await store.appendBatch(Array.from({ length: 100 }, (_, i) => ({ ...queue, body: Buffer.alloc(i === 60 ? 900_000 : 10_000, i) })))
  const count = async (more: object) => (await store.pull({ ...queue, offset: 0, ...more })).messages.length
  const { size } = (await store.pull({ ...queue, offset: 0, maxMessages: 1 })).messages[0] as Message
  t.equal(await count({}), Math.floor(262144 / size), 'maxTransferBytesOnMessageInMemory')
  t.equal(await count({ maxMessages: 3 }), 3)
  t.equal(await count({ maxBytes: 3 * size }), 3)
  t.equal(await count({ maxBytes: 3 * size - 1 }), 2)
  t.equal(await count({ maxBytes: 1 }), 1)
  t.equal(await count({ maxMessages: 1000, maxBytes: 1e9 }), Math.floor(262144 / size), 'never more than the store allows')
  t.equal(await count({ offset: 60 }), 1, 'the first message is returned whatever its size')
  t.equal(await count({ offset: 59 }), 1)
  t.equal((await collect(store.messages(queue))).length, 100)

  const generous = await openNew(t, {
    settings: {
      ...small,
      maxTransferCountOnMessageInMemory: 5000,
      maxTransferBytesOnMessageInMemory: 1 << 20,
      mappedFileSizeConsumeQueue: 60_000,
    },
  })
  await generous.appendBatch(numbered(3000))
  const many = await generous.pull({ ...queue, offset: 0, maxMessages: 1000 })
  t.equal(many.messages.length, 1000)
  t.equal((await generous.pullRanges({ ...queue, offset: 0, maxMessages: 1024 })).count, 1024)
  for (const way of ['pull', 'pullRaw', 'pullRanges'] as const) {
    const page = await generous[way]({ ...queue, offset: 0, maxMessages: 2500 })
    t.match(page, { status: 'FOUND' }, `${way} of very many`)
    t.ok(page.nextOffset >= 1000)
  }
})

t.test('raw records and ranges are those of the decoded messages', async (t) => {
  const store = await openNew(t)
  await store.appendBatch(numbered(40))
  const { messages } = await store.pull({ ...queue, offset: 3, maxMessages: 9 })
  const raw = await store.pullRaw({ ...queue, offset: 3, maxMessages: 9 })
  const ranges = await store.pullRanges({ ...queue, offset: 3, maxMessages: 9 })
  t.equal(raw.count, 9)
  t.same(raw.bytes, Buffer.concat(messages.map((message) => message.raw)))
  t.same(
    [...ranges.ranges],
    messages.flatMap(({ logOffset, size }) => [logOffset, size]),
  )
  for (const page of [raw, ranges])
    t.match(page, { status: 'FOUND', nextOffset: 12, minOffset: 0, maxOffset: 40, suggestPullingFromSlave: false })
  const nothing = await store.pullRaw({ ...queue, offset: 40 })
  t.match(nothing, { status: 'OFFSET_OVERFLOW_ONE', count: 0 })
  t.equal(nothing.bytes.length, 0)
})

t.test('pulled messages are copies: later appends and pulls leave them alone', async (t) => {
  const store = await openNew(t)
  await store.appendBatch(numbered(20))
  const first = await store.pull({ ...queue, offset: 0 })
  const both = await Promise.all([store.pull({ ...queue, offset: 5 }), store.pull({ ...queue, offset: 10, maxMessages: 2 })])
  await store.appendBatch(numbered(500, { from: 20 }))
  await store.close()
  t.same(
    first.messages.map(bodyOf),
    numbered(20).map(({ body }) => body),
  )
  t.same(
    both.map(({ messages, nextOffset }) => [bodyOf(messages[0] as Message), nextOffset]),
    [
      ['5', 20],
      ['10', 12],
    ],
  )
})

t.test('wrong arguments of reading are refused', async (t) => {
  const store = await openNew(t)
  await store.append({ ...queue, body: 'x' })
  const wrong: [string, () => unknown][] = [
    ['a negative offset', () => store.pull({ ...queue, offset: -1 })],
    ['half an offset', () => store.pull({ ...queue, offset: 0.5 })],
    ['no offset', () => store.pull({ ...queue } as never)],
    ['no messages at all', () => store.pull({ ...queue, offset: 0, maxMessages: 0 })],
    ['negative bytes', () => store.pull({ ...queue, offset: 0, maxBytes: -1 })],
    ['a topic that is no string', () => store.pull({ queueId: 0, offset: 0, topic: 5 as never })],
    ['a negative queue', () => store.pull({ ...queue, queueId: -1, offset: 0 })],
    ['tags that are a number', () => store.pull({ ...queue, offset: 0, tags: 5 as never })],
    ['nothing', () => store.pull(undefined as never)],
    ['a negative log offset', () => store.messageAt(-1)],
    ['half a log offset', () => store.messageAt(1.5)],
    ['a message id of 31 digits', () => store.messageById('0'.repeat(31))],
    ['a message id with other letters', () => store.messageById('G'.repeat(32))],
    ['a message id that is no string', () => store.messageById(5 as never)],
    ['a range from below zero', () => collect(store.records({ from: -1 }))],
    ['a key that is no string', () => store.index.query('orders', 5 as never)],
    ['a limit below zero', () => store.index.query('orders', 'k', { limit: -1 })],
    ['bounds of half a queue', () => store.bounds('orders', 0.5)],
    ['a unit at a negative offset', () => store.consumeQueue('orders', 0).unit(-1)],
  ]
  for (const [why, work] of wrong) {
    const error = await refusal(work).catch((other) => other)
    t.equal(error?.code, 'INVALID_ARGUMENT', `${why}: ${error?.message}`)
  }
})

t.test('a message is found by its exact place only', async (t) => {
  const store = await openNew(t)
  const [first, second] = await store.appendBatch(numbered(2))
  t.equal(bodyOf((await store.messageAt(second?.logOffset as number)) as Message), '1')
  t.equal(await store.messageAt(1), undefined, 'in the middle of a record')
  t.equal(await store.messageAt(store.maxLogOffset), undefined, 'at the end')
  t.equal(await store.messageAt(Number.MAX_SAFE_INTEGER), undefined, 'far behind it')
  t.equal(bodyOf((await store.messageById(`${first?.messageId}`.toLowerCase())) as Message), '0', 'an id in lower case')
  t.equal(await store.messageById(`${first?.messageId.slice(0, 16)}00000000000FFFFF`), undefined)
})

t.test('records() walks every record of the log, from anywhere to anywhere', async (t) => {
  const store = await openNew(t)
  const results = await store.appendBatch(
    Array.from({ length: 800 }, (_, i) => ({
      topic: `t${i % 5}`,
      sysFlag: i % 10 === 9 ? 4 : 0,
      body: `${i}`.padEnd(i % 13 === 0 ? 3000 : 90, '.'),
    })),
  )
  const offsets = results.map(({ logOffset }) => logOffset)
  const walked = async (range = {}) => (await collect(store.records(range))).map(({ logOffset }) => logOffset)
  t.same(await walked(), offsets)
  t.same(await walked({ from: offsets[300] }), offsets.slice(300))
  t.same(await walked({ from: offsets[300], to: offsets[310] }), offsets.slice(300, 310))
  t.same(await walked({ to: (offsets[3] as number) + 1 }), offsets.slice(0, 4), 'a record that starts before `to` is in it')
  t.same(await walked({ from: 0, to: 0 }), [])
  t.same(await walked({ from: store.maxLogOffset }), [])
  t.same(await walked({ from: store.maxLogOffset + 1e9 }), [], 'from behind the end')
  const inside = await refusal(() => walked({ from: 1 }))
  t.match(inside, { code: 'CORRUPT_LOG', logOffset: 1 }, 'from inside a record: nothing is guessed')
})

t.test('the index finds every key, the unique one included, within its times', async (t) => {
  const store = await openNew(t)
  const results = await store.appendBatch(
    Array.from({ length: 700 }, (_, i) => ({
      ...queue,
      keys: [`k${i}`, `same${i % 10}`],
      properties: { UNIQ_KEY: `unique${i}` },
      body: `${i}`,
      sysFlag: i === 5 ? 12 : 0,
    })),
  )
  const found = async (key: string, more = {}) => {
    const messages = await Promise.all(store.index.query('orders', key, more).map((logOffset) => store.messageAt(logOffset)))
    return messages
      .filter((message) => message?.keys.includes(key) || message?.uniqueKey === key)
      .map((message) => Number(bodyOf(message as Message)))
  }
  for (const i of [0, 1, 199, 200, 201, 350, 698, 699]) {
    t.same(await found(`k${i}`), [i])
    t.same(await found(`unique${i}`), [i])
  }
  t.same(await found('k5'), [], 'a rolled back message is not in the index')
  const same = await found('same3')
  t.equal(same.length, 64, 'at most 64 answers')
  t.same(
    same,
    same.toSorted((a, b) => b - a),
    'the newest first',
  )
  t.equal(same[0], 693)
  t.same(await found('same3', { limit: 3 }), [693, 683, 673])
  t.same(await found('k7', { limit: 0 }), [])
  t.same(store.index.query('orders', 'none'), [])
  t.same(store.index.query('other', 'k7'), [], 'of the topic only')
  const time = results[7]?.storeTimestamp as number
  t.same(await found('k7', { begin: time - 5000, end: time + 5000 }), [7])
  t.same(await found('k7', { begin: time + 60_000, end: time + 120_000 }), [])
  t.same(await found('k7', { begin: 0, end: time - 60_000 }), [])
  const off = await openNew(t, { settings: { ...small, messageIndexEnable: false } })
  await off.appendBatch(numbered(5))
  t.same(off.index.query('orders', 'k1'), [], 'a store without index answers with nothing')
})

t.test('units and bounds of a queue are there as soon as its messages are', async (t) => {
  const store = await openNew(t)
  const consumeQueue = store.consumeQueue('orders', 0)
  t.same([consumeQueue.minOffset, consumeQueue.maxOffset, consumeQueue.unit(0), [...consumeQueue.units()]], [0, 0, undefined, []])
  for (let i = 0; i < 105; i++) {
    const { logOffset, size } = store.appendSync({ ...queue, tags: 'Aa', body: `${i}` })
    t.match(consumeQueue.unit(i), { logOffset, size, tagCode: 2112n })
    if (consumeQueue.maxOffset !== i + 1) t.fail(`max offset ${consumeQueue.maxOffset} after ${i + 1}`)
  }
  t.equal([...consumeQueue.units()].length, 105)
  t.equal([...consumeQueue.units(100)].length, 5)
  t.equal(consumeQueue.unit(105), undefined)
  t.same(store.queues(), [{ ...queue, minOffset: 0, maxOffset: 105 }])
  t.same(store.queues('other'), [])
  t.same(store.bounds('other', 0), { minOffset: 0, maxOffset: 0 })
})

t.test("visible: 'durable' hides messages until they are on disk", async (t) => {
  const store = await openNew(t, {
    visible: 'durable',
    flush: 'async',
    settings: { ...small, flushIntervalCommitLog: 600_000, flushCommitLogThoroughInterval: 600_000 },
  })
  await store.appendBatch(numbered(5))
  t.equal(store.maxLogOffset, 0)
  t.equal(store.commitLog.writtenOffset > 0, true)
  t.same(await bodiesOf(store, 'orders'), [])
  t.same(await collect(store.records()), [])
  t.equal(await store.messageAt(0), undefined)
  t.same(store.queues(), [{ ...queue, minOffset: 0, maxOffset: 0 }])
  await store.flush()
  t.same(await bodiesOf(store, 'orders'), ['0', '1', '2', '3', '4'])
  t.equal(store.maxLogOffset, store.flushedLogOffset)
  await store.appendBatch(numbered(2))
  t.same(store.bounds('orders', 0), { minOffset: 0, maxOffset: 5 })
  t.match(await store.pull({ ...queue, offset: 5 }), { status: 'OFFSET_OVERFLOW_ONE' })
})

t.test('a unit that points to another message is reported and not delivered', async (t) => {
  const { open } = await import('node:fs/promises')
  const { join } = await import('node:path')
  const directory = newDirectory(t)
  const first = await openAt(t, directory)
  await first.appendBatch([...numbered(6), ...numbered(3, { topic: 'other' })])
  const units = [...first.consumeQueue('orders', 0).units()]
  await first.close()
  const file = await open(join(directory, 'consumequeue', 'orders', '0', '00000000000000000000'), 'r+')
  const wrong = Buffer.alloc(20)
  await file.read(wrong, 0, 20, 3 * 20)
  await file.write(wrong, 0, 20, 2 * 20)
  await file.close()
  const reports: object[] = []
  const store = await openAt(t, directory, { onDamage: (damage) => reports.push(damage) })
  const { messages, nextOffset } = await store.pull({ ...queue, offset: 0 })
  t.same(messages.map(bodyOf), ['0', '1', '3', '4', '5'])
  t.equal(nextOffset, 6)
  t.match(reports, [{ ...queue, queueOffset: 2, logOffset: units[3]?.logOffset, reason: /message 3/ }])
  t.equal(reports.length, 1)
  await store.close()

  const inner: Promise<unknown>[] = []
  const again = await openAt(t, directory, { onDamage: () => inner.push(again.pull({ topic: 'other', queueId: 0, offset: 0 })) })
  const page = await again.pull({ ...queue, offset: 0 })
  t.same(page.messages.map(bodyOf), ['0', '1', '3', '4', '5'], 'whoever is told may pull')
  t.match(page, { status: 'FOUND', nextOffset: 6, maxOffset: 6 })
  t.match(await Promise.all(inner), [{ nextOffset: 3, messages: { length: 3 } }])
})

t.test('a unit that reaches over the end of a segment is reported, and nothing behind the segment is read', async (t) => {
  const { open } = await import('node:fs/promises')
  const { join } = await import('node:path')
  const directory = newDirectory(t)
  const first = await openAt(t, directory)
  while (first.maxLogOffset < 2 * small.mappedFileSizeCommitLog) await first.append({ ...queue, body: Buffer.alloc(9000) })
  const units = [...first.consumeQueue('orders', 0).units()]
  const over = units.findIndex(({ logOffset }, i) => (units[i + 1]?.logOffset ?? 0) - logOffset > (units[0]?.size ?? 0))
  await first.close()
  const file = await open(join(directory, 'consumequeue', 'orders', '0', '00000000000000000000'), 'r+')
  const size = Buffer.alloc(4)
  size.writeInt32BE(small.mappedFileSizeCommitLog)
  await file.write(size, 0, 4, over * 20 + 8)
  await file.close()
  for (const tags of [undefined, 'none']) {
    const reports: object[] = []
    const store = await openAt(t, directory, { onDamage: (damage) => reports.push(damage) })
    const page = await store.pullRaw({ ...queue, offset: over, maxMessages: 1, ...(tags && { tags }) })
    t.notMatch(page, { count: 0, nextOffset: over }, 'the queue goes on behind it')
    if (!tags) t.match(reports, [{ ...queue, queueOffset: over, logOffset: units[over]?.logOffset, reason: /of a segment/ }])
    await store.close()
  }
})

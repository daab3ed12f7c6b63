import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import t from 'tap'
import type { AppendResult, Message, MessageInput, MessageStore } from '#src/index.js'
import { bodiesOf, collect, numbered, openNew, refusal, small } from './stores.js'

t.setTimeout(120_000)

const wide = { ...small, mappedFileSizeCommitLog: 16 << 20 }

type Way = (store: MessageStore, messages: readonly MessageInput[]) => Promise<AppendResult[]>

/** Every way of appending, as one that takes many. */
const ways: Record<string, Way> = {
  append: (store, messages) => Promise.all(messages.map((message) => store.append(message))),
  appendSync: async (store, messages) => messages.map((message) => store.appendSync(message)),
  appendBatch: (store, messages) => store.appendBatch(messages),
  appendBatchSync: async (store, messages) => store.appendBatchSync(messages),
}

const everything: MessageInput = {
  topic: '%RETRY%all-_|fields',
  queueId: 7,
  body: Buffer.from([0, 1, 2, 255]),
  tags: 'paid',
  keys: ['one', 'two'],
  properties: { UNIQ_KEY: '7F0000010D0D89A9816128052B2AE2CB', color: 'red', 'a name': 'a\u0001b' },
  flag: -2147483648,
  sysFlag: 0x300,
  bornTimestamp: 1234567890123,
  bornHost: '10.1.2.3:54321',
  storeHost: '10.3.2.1:10911',
  reconsumeTimes: 16,
  preparedTransactionOffset: 2 ** 52 + 1,
}

const inputs: MessageInput[] = [
  { topic: 'least' },
  everything,
  { topic: 'a'.repeat(127), body: '' },
  { topic: 'hosts', bornHost: '[2001:db8:0:0:0:0:0:1]:1', body: 'v6 v4' },
  { topic: 'hosts', storeHost: '[0:0:0:0:0:0:0:1]:65535', body: 'v4 v6' },
  { topic: 'hosts', bornHost: '[fe80:0:0:0:0:0:0:2]:7', storeHost: '[fd00:0:0:0:0:0:0:3]:8', body: 'v6 v6' },
  { topic: 'hosts', sysFlag: 0x30, body: "the bits of IPv6 are the store's own" },
  { topic: 'hosts', bornHost: '0.0.0.0:0', storeHost: '255.255.255.255:65535', body: 'v4 v4' },
  {
    topic: 'text',
    body: 'körper 体 🦀',
    tags: 'größe',
    keys: ['ключ', '鍵'],
    properties: { Größe: 'ß'.repeat(100), empty: '', '🦀': '🦀' },
  },
  { topic: 'text', tags: 'longer-than-the-forty-characters-written-by-hand', keys: 'spaced  keys as one string ' },
  { topic: 'text', tags: `${'x'.repeat(39)}é`, keys: [] },
  { topic: 'large', body: Buffer.alloc(65535, 1) },
  { topic: 'large', body: Buffer.alloc(65536, 2), tags: 'outside the block' },
  { topic: 'large', body: Buffer.alloc(4 << 20, 3), keys: 'largest' },
  { topic: 'large', body: 'ä'.repeat(50_000) },
  { topic: 'view', body: new Uint8Array(Buffer.from('0123456789').buffer, 0).subarray(0, 0) },
  { topic: 'view', body: Buffer.from('0123456789').subarray(2, 5) },
  { topic: 'limits', properties: { p: 'x'.repeat(32767 - 2) } },
  { topic: 'limits', tags: 't'.repeat(10_000), keys: 'k'.repeat(10_000), properties: { p: 'x'.repeat(10_000) } },
  { topic: 'transaction', sysFlag: 4, body: 'half' },
  { topic: 'transaction', sysFlag: 8, preparedTransactionOffset: 77, body: 'committed' },
  { topic: 'transaction', sysFlag: 12, preparedTransactionOffset: 77, body: 'rolled back' },
  { topic: 'transaction', body: 'plain' },
]

/** A message as it must be read; the hosts of `inputs` are spelt as they are read, with every group. */
function expected(input: MessageInput, result: AppendResult): object {
  const { topic, queueId = 0, body = '', tags, keys, properties, flag = 0, sysFlag = 0 } = input
  const bornHost = input.bornHost ?? '127.0.0.1:10911'
  const storeHost = input.storeHost ?? '127.0.0.1:10911'
  const keyText = typeof keys === 'string' ? keys : keys?.join(' ')
  const { logOffset, queueOffset, size, storeTimestamp, messageId } = result
  return {
    ...{ topic, queueId, flag, bornHost, storeHost, logOffset, queueOffset, size, storeTimestamp, messageId },
    sysFlag: (sysFlag & ~0x30) | (bornHost.startsWith('[') ? 16 : 0) | (storeHost.startsWith('[') ? 32 : 0),
    body: digest(Buffer.from(body as string)),
    tags: tags || undefined,
    keys: keyText ? keyText.split(' ').filter((key) => key !== '') : [],
    properties: withoutEmpty({ ...properties, ...(tags ? { TAGS: tags } : {}), ...(keyText ? { KEYS: keyText } : {}) }),
    reconsumeTimes: input.reconsumeTimes ?? 0,
    preparedTransactionOffset: input.preparedTransactionOffset ?? 0,
    uniqueKey: properties?.UNIQ_KEY,
  }
}

const digest = (bytes: Buffer): string => `${bytes.length} ${createHash('sha1').update(bytes).digest('hex')}`

/** RocketMQ loses a property with an empty value when it reads. */
const withoutEmpty = (properties: Record<string, string>) =>
  Object.fromEntries(Object.entries(properties).filter(([, value]) => value !== ''))

function found(message: Message): object {
  const { topic, queueId, flag, bornHost, storeHost, logOffset, queueOffset, size, storeTimestamp, messageId, sysFlag, tags, uniqueKey } =
    message
  return {
    ...{ topic, queueId, flag, bornHost, storeHost, logOffset, queueOffset, size, storeTimestamp, messageId, sysFlag, tags, uniqueKey },
    body: digest(message.body),
    keys: [...message.keys],
    properties: { ...message.properties },
    reconsumeTimes: message.reconsumeTimes,
    preparedTransactionOffset: message.preparedTransactionOffset,
  }
}

for (const [name, way] of Object.entries(ways)) {
  t.test(`${name} keeps every field of every message`, async (t) => {
    const store = await openNew(t, { settings: wide })
    const before = Date.now()
    const results = await way(store, inputs)
    const wanted = results.map((result, i) => expected(inputs[i] as MessageInput, result))
    const records = await collect(store.records())
    t.equal(records.length, wanted.length)
    for (const [i, record] of records.entries()) t.same(found(record), wanted[i], `${i} in the log, in order`)
    t.ok(
      results.every(({ status }) => status === 'PUT_OK'),
      'each is PUT_OK',
    )
    t.ok(
      records.every(({ bornTimestamp }, i) => (inputs[i]?.bornTimestamp ?? -1) === bornTimestamp || bornTimestamp >= before),
      'born when given, or now',
    )
    for (const [i, result] of results.entries()) {
      t.same(found((await store.messageAt(result.logOffset)) as Message), wanted[i], `${i} by log offset`)
      t.same(found((await store.messageById(result.messageId)) as Message), wanted[i], `${i} by message id`)
    }
    const transaction = await bodiesOf(store, 'transaction')
    t.same(transaction, ['committed', 'plain'], 'prepared and rolled back messages enter no queue')
    t.equal(records[1]?.bornTimestamp, 1234567890123)
  })
}

t.test('queue offsets are dense for each queue, and log offsets rise over segments', async (t) => {
  const store = await openNew(t)
  const messages = Array.from({ length: 900 }, (_, i) => ({ topic: `t${i % 3}`, queueId: i % 2, body: `${i}`.padEnd(300, '.') }))
  const results = await store.appendBatch(messages)
  t.ok(store.maxLogOffset > 4 * small.mappedFileSizeCommitLog, 'the log has several segments')
  const next = new Map<string, number>()
  for (const [i, { queueOffset }] of results.entries()) {
    const { topic, queueId } = messages[i] as (typeof messages)[number]
    const key = `${topic} ${queueId}`
    if (queueOffset !== (next.get(key) ?? 0)) t.fail(`message ${i} has queue offset ${queueOffset}`)
    next.set(key, queueOffset + 1)
  }
  t.same(
    (await collect(store.records())).map(({ logOffset }) => logOffset),
    results.map(({ logOffset }) => logOffset),
  )
  for (const { topic, queueId, minOffset, maxOffset } of store.queues()) {
    t.same([minOffset, maxOffset], [0, 150])
    t.equal((await collect(store.messages({ topic, queueId }))).length, 150)
  }
  t.same(store.topics().sort(), ['t0', 't1', 't2'])
})

t.test('messages of one tick keep their order, whatever way each takes', async (t) => {
  const store = await openNew(t)
  const pending: Promise<unknown>[] = []
  for (let i = 0; i < 300; i++) {
    const message = { topic: 'order', body: `${i}` }
    if (i % 50 === 7) store.appendSync(message)
    else if (i % 50 === 21) store.appendBatchSync([message])
    else if (i % 50 === 33) pending.push(store.appendBatch([message]))
    else pending.push(store.append(message))
  }
  await Promise.all(pending)
  t.same(
    await bodiesOf(store, 'order'),
    Array.from({ length: 300 }, (_, i) => `${i}`),
  )
})

t.test('a batch larger than the append block is one batch', async (t) => {
  const store = await openNew(t, { settings: wide })
  const messages = Array.from({ length: 60 }, (_, i) => ({ topic: 'big', body: Buffer.alloc(100_000, i) }))
  const results = store.appendBatchSync(messages)
  t.equal(results.length, 60)
  const bodies = (await collect(store.messages({ topic: 'big', queueId: 0 }))).map(({ body }) => [body.length, body[0], body.at(-1)])
  t.same(
    bodies,
    messages.map((_, i) => [100_000, i, i]),
  )
  t.same(await store.appendBatch([]), [], 'an empty batch is fine')
})

t.test('an atomic batch lies in one segment, with one store time', async (t) => {
  const store = await openNew(t)
  const batch = () => Array.from({ length: 20 }, (_, i) => ({ topic: 'atomic', body: `${i}`.padEnd(900, '.') }))
  const segments = new Set<number>()
  for (let n = 0; n < 12; n++) {
    const results = n % 2 ? await store.appendBatch(batch(), { atomic: true }) : store.appendBatchSync(batch(), { atomic: true })
    const [segment, ...others] = [...new Set(results.map(({ logOffset }) => Math.floor(logOffset / small.mappedFileSizeCommitLog)))]
    t.same(others, [])
    segments.add(segment as number)
    t.equal(new Set(results.map(({ storeTimestamp }) => storeTimestamp)).size, 1)
    for (let i = 1; i < results.length; i++) if (results[i]?.queueOffset !== (results[i - 1]?.queueOffset ?? 0) + 1) t.fail('not dense')
  }
  t.ok(segments.size > 2)
  t.equal((await collect(store.messages({ topic: 'atomic', queueId: 0 }))).length, 240)

  const before = store.maxLogOffset
  const refused: [string, MessageInput[], number | undefined][] = [
    ['another topic', [{ topic: 'a' }, { topic: 'b' }], 1],
    ['another queue', [{ topic: 'a' }, { topic: 'a', queueId: 1 }], 1],
    ['a transaction', [{ topic: 'a' }, { topic: 'a' }, { topic: 'a', sysFlag: 4 }], 2],
    ['a delayed message', [{ topic: 'a', properties: { DELAY: '3' } }], 0],
    ['more than a segment', Array.from({ length: 70 }, () => ({ topic: 'a', body: Buffer.alloc(1000) })), undefined],
  ]
  for (const [what, messages, index] of refused) {
    const error = await refusal(() => store.appendBatchSync(messages, { atomic: true }))
    t.match(error, { code: 'MESSAGE_ILLEGAL', ...(index === undefined ? {} : { index }) }, what)
    t.equal((await refusal(() => store.appendBatch(messages, { atomic: true }))).code, 'MESSAGE_ILLEGAL')
  }
  t.equal(store.maxLogOffset, before, 'nothing of them was stored')
})

/** What no store takes, with the code that says why. */
const illegal: [why: string, code: string, message: unknown][] = [
  ['null', 'INVALID_ARGUMENT', null],
  ['a string', 'INVALID_ARGUMENT', 'message'],
  ['no topic', 'INVALID_ARGUMENT', {}],
  ['a topic that is no string', 'INVALID_ARGUMENT', { topic: 7 }],
  ['an empty topic', 'MESSAGE_ILLEGAL', { topic: '' }],
  ['a topic of 128 characters', 'MESSAGE_ILLEGAL', { topic: 'a'.repeat(128) }],
  ['a topic that is a path', 'MESSAGE_ILLEGAL', { topic: '../../etc' }],
  ['a topic of dots', 'MESSAGE_ILLEGAL', { topic: '..' }],
  ['a topic beyond ASCII', 'MESSAGE_ILLEGAL', { topic: 'größe' }],
  ['a negative queue', 'INVALID_ARGUMENT', { topic: 'a', queueId: -1 }],
  ['half a queue', 'INVALID_ARGUMENT', { topic: 'a', queueId: 0.5 }],
  ['a queue beyond 31 bits', 'INVALID_ARGUMENT', { topic: 'a', queueId: 2 ** 31 }],
  ['a queue that is no number', 'INVALID_ARGUMENT', { topic: 'a', queueId: '0' }],
  ['a body that is a number', 'INVALID_ARGUMENT', { topic: 'a', body: 5 }],
  ['a body that is an array', 'INVALID_ARGUMENT', { topic: 'a', body: [1, 2] }],
  ['a null body', 'INVALID_ARGUMENT', { topic: 'a', body: null }],
  ['tags that are a number', 'INVALID_ARGUMENT', { topic: 'a', tags: 5 }],
  ['null tags', 'INVALID_ARGUMENT', { topic: 'a', tags: null }],
  ['tags with the separator', 'MESSAGE_ILLEGAL', { topic: 'a', tags: 'x\u0002y' }],
  ['long tags with the separator', 'MESSAGE_ILLEGAL', { topic: 'a', tags: `${'x'.repeat(50)}\u0002y` }],
  ['keys that are a number', 'INVALID_ARGUMENT', { topic: 'a', keys: 5 }],
  ['a key with a space', 'INVALID_ARGUMENT', { topic: 'a', keys: ['a b'] }],
  ['a key that is a number', 'INVALID_ARGUMENT', { topic: 'a', keys: [5] }],
  ['keys with the separator', 'MESSAGE_ILLEGAL', { topic: 'a', keys: 'x\u0002y' }],
  ['the property TAGS', 'INVALID_ARGUMENT', { topic: 'a', properties: { TAGS: 'x' } }],
  ['the property KEYS', 'INVALID_ARGUMENT', { topic: 'a', properties: { KEYS: 'x' } }],
  ['a property without a name', 'MESSAGE_ILLEGAL', { topic: 'a', properties: { '': 'x' } }],
  ['a property name with the separator', 'MESSAGE_ILLEGAL', { topic: 'a', properties: { 'x\u0001y': 'x' } }],
  ['a property name with the other separator', 'MESSAGE_ILLEGAL', { topic: 'a', properties: { 'x\u0002y': 'x' } }],
  ['a property with the separator', 'MESSAGE_ILLEGAL', { topic: 'a', properties: { x: 'x\u0002y' } }],
  ['a property that is a number', 'INVALID_ARGUMENT', { topic: 'a', properties: { x: 5 } }],
  ['a property that is null', 'INVALID_ARGUMENT', { topic: 'a', properties: { x: null } }],
  ['a property that is undefined', 'INVALID_ARGUMENT', { topic: 'a', properties: { x: undefined } }],
  ['half a flag', 'INVALID_ARGUMENT', { topic: 'a', flag: 0.5 }],
  ['a flag beyond 32 bits', 'INVALID_ARGUMENT', { topic: 'a', flag: 2 ** 31 }],
  ['a sysFlag that is a string', 'INVALID_ARGUMENT', { topic: 'a', sysFlag: '1' }],
  ['reconsumeTimes that are NaN', 'INVALID_ARGUMENT', { topic: 'a', reconsumeTimes: Number.NaN }],
  ['a birth that is NaN', 'INVALID_ARGUMENT', { topic: 'a', bornTimestamp: Number.NaN }],
  ['a birth in fractions', 'INVALID_ARGUMENT', { topic: 'a', bornTimestamp: 1.5 }],
  ['an unsafe prepared offset', 'INVALID_ARGUMENT', { topic: 'a', preparedTransactionOffset: 2 ** 60 }],
  ['a born host without port', 'INVALID_ARGUMENT', { topic: 'a', bornHost: '1.2.3.4' }],
  ['a born host that is a name', 'INVALID_ARGUMENT', { topic: 'a', bornHost: 'localhost:1' }],
  ['a store host without brackets', 'INVALID_ARGUMENT', { topic: 'a', storeHost: '::1:9' }],
  ['a host that is a number', 'INVALID_ARGUMENT', { topic: 'a', bornHost: 9 }],
  ['32768 bytes of properties', 'PROPERTIES_SIZE_EXCEEDED', { topic: 'a', properties: { p: 'x'.repeat(32766) } }],
  ['tags and keys of 32768 bytes', 'PROPERTIES_SIZE_EXCEEDED', { topic: 'a', tags: 'x'.repeat(20_000), keys: 'x'.repeat(12_800) }],
  ['properties larger than the append block', 'PROPERTIES_SIZE_EXCEEDED', { topic: 'a', properties: { p: 'x'.repeat(2 << 20) } }],
  ['a body above maxMessageSize', 'MESSAGE_ILLEGAL', { topic: 'a', body: Buffer.alloc(40_001) }],
  ['a large body above maxMessageSize', 'MESSAGE_ILLEGAL', { topic: 'a', body: Buffer.alloc(5 << 20) }],
  ['a record that no segment holds', 'MESSAGE_ILLEGAL', { topic: 'a', body: Buffer.alloc(40_000), properties: { p: 'x'.repeat(30_000) } }],
]

for (const [name, way] of Object.entries(ways)) {
  t.test(`${name} refuses what no store takes, and stores nothing of it`, async (t) => {
    const store = await openNew(t, { settings: { ...small, maxMessageSize: 40_000 } })
    for (const [why, code, message] of illegal) {
      const error = await refusal(() => way(store, [message as MessageInput])).catch((other) => other)
      t.equal(error?.code, code, `${why}: ${error?.message}`)
    }
    t.equal(store.maxLogOffset, 0)
    t.same(store.queues(), [])
    await way(store, [{ topic: 'good', body: 'x' }])
    t.same(await bodiesOf(store, 'good'), ['x'], 'the store goes on')
  })
}

t.test('one bad message refuses its whole batch and is named; of single appends it alone is refused', async (t) => {
  const store = await openNew(t, { settings: { ...small, maxMessageSize: 40_000 } })
  for (const [why, code, message] of illegal) {
    const batch = [...numbered(3), message as MessageInput, ...numbered(2)]
    const error = await refusal(() => store.appendBatchSync(batch)).catch((other) => other)
    t.match(error, { code, index: 3 }, why)
    t.match(await refusal(() => store.appendBatch(batch)).catch((other) => other), { code, index: 3 }, why)
  }
  t.equal(store.maxLogOffset, 0)
  const bad = { topic: 'orders', body: Buffer.alloc(40_001) }
  const settled = await Promise.allSettled([...numbered(3), bad, ...numbered(2, { from: 3 })].map((message) => store.append(message)))
  t.same(
    settled.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
  )
  t.same(await bodiesOf(store, 'orders'), ['0', '1', '2', '3', '4'])
})

t.test('an append beyond the limits of what may wait is refused, or waits its turn', async (t) => {
  for (const flush of ['async', 'sync'] as const) {
    const rejecting = await openNew(t, { flush, maxWaitingAppends: 10, whenFull: 'reject' })
    const settled = await Promise.allSettled(numbered(100).map((message) => rejecting.append(message)))
    t.equal(settled.filter(({ status }) => status === 'fulfilled').length, 10, `${flush}: ten may wait`)
    t.match(
      settled.filter(({ status }) => status === 'rejected').map((one) => (one as PromiseRejectedResult).reason.code),
      Array.from({ length: 90 }, () => 'TOO_MANY_WAITING'),
    )
    t.equal((await rejecting.append({ topic: 'orders', body: 'later' })).status, 'PUT_OK', 'room again')

    for (const limit of [{ maxWaitingAppends: 10 }, { maxWaitingBytes: 2000 }]) {
      const waiting = await openNew(t, { flush, ...limit })
      const all = Promise.all(numbered(100).map((message) => waiting.append(message)))
      const late = new Promise<'late'>((resolve) => setTimeout(resolve, 10_000, 'late').unref())
      if ((await Promise.race([all, late])) === 'late') {
        t.fail(`${flush}: appends that waited for room never began`, limit)
        continue
      }
      t.same(
        await bodiesOf(waiting, 'orders'),
        numbered(100).map(({ body }) => body),
        `${flush}: all in order`,
      )
    }
  }
})

t.test('a batch waits for room too', async (t) => {
  for (const flush of ['async', 'sync'] as const) {
    const store = await openNew(t, { flush, maxWaitingAppends: 4 })
    const singles = numbered(4).map((message) => store.append(message))
    const batch = store.appendBatch(numbered(3, { from: 4 }))
    const late = new Promise<'late'>((resolve) => setTimeout(resolve, 10_000, 'late').unref())
    if ((await Promise.race([Promise.all([...singles, batch]), late])) === 'late') t.fail(`${flush}: the batch never began`)
    else t.equal((await bodiesOf(store, 'orders')).length, 7)
  }
})

t.test('appends that wait for room keep their own answers when blocking appends and batches come in the same tick', async (t) => {
  for (const flush of ['async', 'sync'] as const) {
    const store = await openNew(t, { flush, maxWaitingAppends: 4 })
    const named = (topic: string, count: number) => numbered(count, { topic })
    const early = named('early', 11).map((message) => store.append(message))
    const results = [store.appendSync({ topic: 'mine', body: '0' })]
    const later = named('later', 7).map((message) => store.append(message))
    results.push(...store.appendBatchSync(named('batch', 2)))
    const last = named('last', 9).map((message) => store.append(message))
    t.equal((await refusal(() => store.appendBatchSync([...named('batch', 1), { topic: 'no topic' }]))).index, 1)
    results.push(...store.appendBatchSync(Array.from({ length: 40 }, (_, i) => ({ topic: 'large', body: `${i}`.padEnd(32_000) }))))
    results.unshift(...(await Promise.all([...early, ...later, ...last])))
    const found = await Promise.all(results.map(({ logOffset }) => store.messageAt(logOffset)))
    t.same(
      found.map((message) => `${message?.topic} ${message?.body.toString().trim()}`),
      [
        ...numbered(11).map(({ body }) => `early ${body}`),
        ...numbered(7).map(({ body }) => `later ${body}`),
        ...numbered(9).map(({ body }) => `last ${body}`),
        'mine 0',
        'batch 0',
        'batch 1',
        ...numbered(40).map(({ body }) => `large ${body}`),
      ],
      flush,
    )
    t.equal(store.consumeQueue('early', 0).maxOffset, 11)
  }
})

t.test('close settles what had room and refuses what had none', async (t) => {
  const store = await openNew(t, { flush: 'sync', maxWaitingAppends: 4 })
  const hasty = numbered(4).map((message) => store.append(message, { wait: false }))
  const blocked = numbered(3, { from: 4 }).map((message) => refusal(() => store.append(message)))
  await store.close()
  t.same(
    (await Promise.all(hasty)).map(({ status }) => status),
    hasty.map(() => 'PUT_OK'),
  )
  t.same(
    (await Promise.all(blocked)).map(({ code }) => code),
    blocked.map(() => 'STORE_NOT_OPEN'),
  )
})

t.test('thousands of large bodies that wait for room are all stored, each under its own answer', async (t) => {
  const settings = { ...small, mappedFileSizeCommitLog: 256 << 20 }
  const store = await openNew(t, { settings, maxWaitingAppends: 10 })
  const body = Buffer.alloc(64 << 10)
  const results = await Promise.all(
    Array.from({ length: 10 + 3000 }, (_, i) => store.append({ topic: 'large', body: i < 10 ? 'small' : body })),
  )
  t.same(
    results.filter(({ queueOffset }, i) => queueOffset !== i),
    [],
  )
  t.equal(store.consumeQueue('large', 0).maxOffset, results.length)
})

t.test('large batches one after the other share the memory that they cross in', async (t) => {
  const settings = { ...small, mappedFileSizeCommitLog: 64 << 20 }
  const store = await openNew(t, { settings })
  const batch = Array.from({ length: 40 }, () => ({ topic: 'large', body: Buffer.alloc(50_000) }))
  store.appendBatchSync(batch)
  const before = process.memoryUsage().arrayBuffers
  for (let i = 0; i < 40; i++) store.appendBatchSync(batch)
  t.ok(process.memoryUsage().arrayBuffers - before < 16 << 20, 'no block for each')
})

t.test('a batch counts with all its messages and bytes in what may wait', async (t) => {
  for (const limit of [{ maxWaitingAppends: 10 }, { maxWaitingBytes: 1000 }]) {
    const store = await openNew(t, { flush: 'sync', whenFull: 'reject', faults: 'sync_data:delay=200:path=/commitlog/', ...limit })
    const batch = store.appendBatch(numbered(12))
    t.equal((await refusal(() => store.append({ topic: 'orders' }))).code, 'TOO_MANY_WAITING', JSON.stringify(limit))
    t.equal((await refusal(() => store.appendBatch(numbered(1)))).code, 'TOO_MANY_WAITING')
    await batch
    t.equal((await store.append({ topic: 'orders' })).status, 'PUT_OK')
  }
})

t.test('a queue is a number, of a known topic too', async (t) => {
  const store = await openNew(t)
  await store.append({ topic: 'other', queueId: 0, body: 'other' })
  await store.appendBatch([0, 1, 2].map((queueId) => ({ topic: 'orders', queueId })))
  for (const queueId of ['length', 'at', '0', 'constructor', [0], true] as never[]) {
    t.equal((await refusal(() => store.append({ topic: 'orders', queueId }))).code, 'INVALID_ARGUMENT', String(queueId))
    t.equal((await refusal(() => store.pull({ topic: 'orders', queueId, offset: 0 }))).code, 'INVALID_ARGUMENT')
  }
})

t.test('a large body in shared memory has the CRC of what is stored', async (t) => {
  const store = await openNew(t, { settings: wide })
  const shared = new Uint8Array(new SharedArrayBuffer(70_000)).fill(7)
  const [message] = await Promise.all([store.append({ topic: 'orders', body: shared }), shared.fill(8)])
  const stored = await store.messageAt(message.logOffset)
  t.equal(stored?.bodyCrc, crc32(stored?.body as Buffer) & 0x7fffffff)
})

t.test('the replica has the last word on the status', async (t) => {
  for (const flush of ['async', 'sync'] as const) {
    const asked: number[] = []
    const answers = ['PUT_OK', 'FLUSH_SLAVE_TIMEOUT', 'SLAVE_NOT_AVAILABLE'] as const
    const replication = {
      waitFor: async (logOffset: number) => {
        asked.push(logOffset)
        return answers[(asked.length - 1) % 3] ?? 'PUT_OK'
      },
    }
    const store = await openNew(t, { flush, replication })
    const results: AppendResult[] = []
    for (const message of numbered(3)) results.push(await store.append(message))
    results.push(...(await store.appendBatch(numbered(3))))
    t.same(
      results.map(({ status }) => status),
      [...answers, ...answers],
    )
    t.same(
      asked,
      results.map(({ logOffset, size }) => logOffset + size),
      'asked for the end of each record',
    )
    t.equal((await store.append({ topic: 'orders' }, { wait: false })).status, 'PUT_OK', 'wait: false asks nobody')
    t.equal(asked.length, 6)
  }
})

/** Finding messages by key and by time; what RocketMQ answers for its own stores is in fixtures.test.ts. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Message, MessageStore } from '#src/index.js'
import { bodyOf, newDirectory, numbered, openAt, openNew, refusal } from './stores.js'

t.setTimeout(60_000)

const bodies = (messages: readonly Message[]) => messages.map(bodyOf)

t.test('messages are found by key, newest first, over several index files', async (t) => {
  const store = await openNew(t)
  for (let i = 0; i < 600; i++) store.appendSync({ topic: 'orders', keys: [`k${i % 3}`, `n${i}`], body: `${i}` })
  t.same(bodies(await store.messagesByKey({ topic: 'orders', key: 'n7' })), ['7'])
  t.same(bodies(await store.messagesByKey({ topic: 'orders', key: 'k1', limit: 3 })), ['598', '595', '592'])
  t.equal((await store.messagesByKey({ topic: 'orders', key: 'k1' })).length, 64, 'RocketMQ gives 64 at most, and so do we unless asked')
  t.equal((await store.messagesByKey({ topic: 'orders', key: 'k1', limit: 1000 })).length, 200)
  t.same(await store.messagesByKey({ topic: 'orders', key: 'k1', limit: 0 }), [])
  t.same(await store.messagesByKey({ topic: 'other', key: 'k1' }), [])
  t.same(await store.messagesByKey({ topic: 'orders', key: 'k' }), [])
})

t.test('a key that shares its hash with others is found among them, and they are not', async (t) => {
  const store = await openNew(t)
  // In Java, 'Aa' and 'BB' have one hash, and so have the topics of these keys.
  for (let i = 0; i < 100; i++) store.appendSync({ topic: 'orders', keys: i % 10 === 0 ? 'Aa' : 'BB', body: `${i}` })
  t.same(bodies(await store.messagesByKey({ topic: 'orders', key: 'Aa', limit: 5 })), ['90', '80', '70', '60', '50'])
  t.equal((await store.messagesByKey({ topic: 'orders', key: 'Aa' })).length, 10)
  t.equal((await store.messagesByKey({ topic: 'orders', key: 'BB', limit: 100 })).length, 90)
  t.equal(store.index.query('orders', 'Aa', { limit: 1000 }).length, 100, 'the index alone knows hashes only')
})

t.test('a message is found once, by its unique id too', async (t) => {
  const store = await openNew(t)
  store.appendSync({ topic: 'orders', keys: ['twice', 'twice', 'id-1'], properties: { UNIQ_KEY: 'id-1' }, body: 'a' })
  for (const key of ['twice', 'id-1']) t.same(bodies(await store.messagesByKey({ topic: 'orders', key })), ['a'], key)
})

t.test('times of a query are kept to the millisecond, whatever the index rounds', async (t) => {
  const store = await openNew(t)
  const times: number[] = []
  for (let i = 0; i < 8; i++) {
    times.push(store.appendSync({ topic: 'orders', keys: 'k', body: `${i}` }).storeTimestamp)
    await sleep(200)
  }
  for (const [first, last] of [
    [0, 7],
    [1, 3],
    [2, 2],
    [6, 7],
  ] as const) {
    const found = await store.messagesByKey({ topic: 'orders', key: 'k', begin: times[first] as number, end: times[last] as number })
    t.same(
      bodies(found),
      Array.from({ length: last - first + 1 }, (_, i) => `${last - i}`),
      `${first} to ${last}`,
    )
  }
  t.same(await store.messagesByKey({ topic: 'orders', key: 'k', begin: (times[7] as number) + 1 }), [])
})

/** Appends three messages at each of four times, and says the times. */
async function atFourTimes(store: MessageStore): Promise<[number, number, number, number]> {
  const times: number[] = []
  for (let i = 0; i < 4; i++) {
    const results = store.appendBatchSync(numbered(3, { from: 3 * i }))
    times.push(results[0]?.storeTimestamp as number)
    await sleep(20)
  }
  return times as [number, number, number, number]
}

t.test('an offset by time is the first since, the last until, or the nearest', async (t) => {
  const store = await openNew(t)
  const [a, b, c, d] = await atFourTimes(store)
  const by = (rule?: 'lower' | 'upper' | 'nearest') => (time: number) =>
    store.offsetByTime({ topic: 'orders', queueId: 0, time, ...(rule && { rule }) })
  const ask = async (rule: 'lower' | 'upper' | 'nearest' | undefined, times: number[]) => Promise.all(times.map(by(rule)))
  const times = [0, a - 1, a, a + 1, b, c - 1, c, d, d + 1, d + 1_000_000]
  t.same(await ask(undefined, times), [0, 0, 0, 3, 3, 6, 6, 9, 12, 12])
  t.same(await ask('lower', times), [0, 0, 0, 3, 3, 6, 6, 9, 12, 12])
  t.same(await ask('upper', times), [0, 0, 2, 2, 5, 5, 8, 11, 11, 11])
  const nearest = await ask('nearest', [0, a + 1, b - 1, d + 1_000_000])
  t.same(
    nearest.map((offset) => Math.floor(offset / 3)),
    [0, 0, 1, 3],
    'some message of the nearest time',
  )
  t.equal(await store.offsetByTime({ topic: 'nobody', queueId: 0, time: a }), 0)
  t.same(await store.timeSpan({ topic: 'orders', queueId: 0 }), { earliest: a, latest: d })
  t.same(await store.timeSpan(), { earliest: a, latest: d })
  t.equal(await store.timeSpan({ topic: 'nobody', queueId: 0 }), undefined)
})

t.test('times of an empty store are none', async (t) => {
  const store = await openNew(t)
  t.equal(await store.timeSpan(), undefined)
  t.equal(await store.offsetByTime({ topic: 'orders', queueId: 0, time: 0 }), 0)
})

t.test('a reader beside the writer finds what was appended since it opened', async (t) => {
  const directory = newDirectory(t)
  const store = await openAt(t, directory)
  store.appendSync({ topic: 'orders', keys: 'k', body: '0' })
  const reader = await openAt(t, directory, { readOnly: true })
  const { storeTimestamp } = store.appendSync({ topic: 'orders', keys: 'k', body: '1' })
  t.same(bodies(await reader.messagesByKey({ topic: 'orders', key: 'k' })), ['1', '0'])
  t.equal((await reader.timeSpan())?.latest, storeTimestamp)
  t.equal(await reader.offsetByTime({ topic: 'orders', queueId: 0, time: storeTimestamp + 1 }), 2)
})

t.test('what is no query is refused', async (t) => {
  const store = await openNew(t)
  const bad = [
    () => store.messagesByKey(undefined as never),
    () => store.messagesByKey({ topic: 'orders' } as never),
    () => store.messagesByKey({ topic: 'orders', key: 'k', limit: -1 }),
    () => store.messagesByKey({ topic: 'orders', key: 'k', begin: 'now' as never }),
    () => store.offsetByTime({ topic: 'orders', queueId: 0, time: 1.5 }),
    () => store.offsetByTime({ topic: 'orders', queueId: 0, time: 0, rule: 'next' as never }),
    () => store.offsetByTime({ topic: 'orders', queueId: -1, time: 0 }),
    () => store.timeSpan('orders' as never),
  ]
  for (const call of bad) t.equal((await refusal(call)).code, 'INVALID_ARGUMENT', String(call))
})

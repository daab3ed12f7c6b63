/** Old messages go: by the rules, by hand, and what readers see of it. */
import { readdir, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { MessageStore } from '#src/index.js'
import { bodiesOf, bodyOf, collect, newDirectory, numbered, openAt, openNew, refusal, small } from './stores.js'

t.setTimeout(60_000)

const queue = { topic: 'orders', queueId: 0 }
const HOUR = 3_600_000

const segmentsOf = async (store: MessageStore): Promise<string[]> => (await readdir(join(store.directory, 'commitlog'))).sort()

/** 2,000 messages in some six segments, all on disk. */
async function fill(store: MessageStore): Promise<void> {
  await store.appendBatch(numbered(2000))
  await store.flush()
}

/** As if its segments had been written so many hours ago. */
async function age(store: MessageStore, hours: number): Promise<void> {
  const then = new Date(Date.now() - hours * HOUR)
  for (const name of await segmentsOf(store)) await utimes(join(store.directory, 'commitlog', name), then, then)
}

t.test('by hand: segments below an offset go, queue and index follow, and so do those who read', async (t) => {
  const store = await openNew(t)
  await fill(store)
  const iterator = store.messages(queue)
  t.equal(bodyOf((await iterator.next()).value), '0')
  const before = await segmentsOf(store)
  const { logOffset } = (await store.pull({ ...queue, offset: 1500, maxMessages: 1 })).messages[0] as { logOffset: number }
  t.equal(await store.deleteBelow(0), 0)
  t.equal(await store.deleteBelow(logOffset), Math.floor(logOffset / small.mappedFileSizeCommitLog))
  const { minOffset, maxOffset } = store.bounds('orders', 0)
  t.ok(minOffset > 1000 && minOffset <= 1500, `${minOffset}`)
  t.equal(maxOffset, 2000)
  t.equal(store.minLogOffset, Math.floor(logOffset / small.mappedFileSizeCommitLog) * small.mappedFileSizeCommitLog)
  t.same(await segmentsOf(store), before.slice(-(await segmentsOf(store)).length))
  t.match(await store.pull({ ...queue, offset: 0 }), { status: 'OFFSET_TOO_SMALL', nextOffset: minOffset })
  t.equal(bodyOf((await store.messagesByKey({ topic: 'orders', key: `k${minOffset}` }))[0] as never), `${minOffset}`)
  t.same(await store.messagesByKey({ topic: 'orders', key: 'k0' }), [])
  const gone = Array.from({ length: minOffset }, (_, i) => store.index.query('orders', `k${i}`)).flat()
  t.same(gone, [], 'the index finds nothing that is gone')
  t.equal(await store.messageAt(0), undefined)
  const bodies = (await collect(iterator)).map((message) => Number(bodyOf(message)))
  t.same(bodies.slice(-10), [1990, 1991, 1992, 1993, 1994, 1995, 1996, 1997, 1998, 1999], 'who was reading goes on')
  t.same(
    bodies,
    bodies.toSorted((a, b) => a - b),
  )
  const kept = (await segmentsOf(store)).length
  t.ok(kept > 1)
  t.equal(await store.deleteBelow(Number.MAX_SAFE_INTEGER), kept - 1, 'the last one stays')
  t.equal((await segmentsOf(store)).length, 1)
  const last = store.bounds('orders', 0)
  await store.close()
  const again = await openAt(t, store.directory)
  t.match(again.recovery, { cleanBefore: true, rebuiltQueues: [], rebuiltIndexEntries: 0 })
  t.same(again.bounds('orders', 0), last)
  t.equal((await again.append({ topic: 'orders', body: 'next' })).queueOffset, 2000)
  t.equal((await bodiesOf(again, 'orders')).length, 2001 - last.minOffset)
  for (const bad of [-1, 0.5, Number.NaN, '0', undefined])
    t.match(await refusal(() => again.deleteBelow(bad as never)), { code: 'INVALID_ARGUMENT' })
})

t.test('by age: what is younger stays, what is older goes at its hour, and by hand at any', async (t) => {
  const hour = new Date().getHours()
  const other = `${(hour + 12) % 24}`
  const store = await openNew(t, { retention: { byAge: true }, settings: { ...small, deleteWhen: other, cleanResourceInterval: 1 } })
  await fill(store)
  await age(store, 71)
  t.equal(await store.clean(), 0)
  await age(store, 73)
  await sleep(1500)
  t.ok((await segmentsOf(store)).length > 1, 'it is not the hour')
  t.ok((await store.clean()) > 1)
  t.equal((await segmentsOf(store)).length, 1)

  const now = await openNew(t, {
    retention: { byAge: true },
    settings: { ...small, deleteWhen: `${hour};${(hour + 1) % 24}`, cleanResourceInterval: 1 },
  })
  await fill(now)
  await age(now, 73)
  // Queues follow the log.
  while ((await segmentsOf(now)).length > 1 || now.bounds('orders', 0).minOffset === 0) await sleep(100)
  t.equal((await segmentsOf(now)).length, 1, 'without a call')
})

t.test('by size', async (t) => {
  const store = await openNew(t, { retention: { maxBytes: 3 * small.mappedFileSizeCommitLog } })
  await fill(store)
  t.ok((await store.clean()) > 0)
  t.equal((await segmentsOf(store)).length, 3)
})

t.test('a disk that is nearly full: segments go whatever their age, appends are refused, and taken when there is room', async (t) => {
  const store = await openNew(t, { retention: { byDiskUse: true }, faults: 'disk_use:percent=91:times=4' })
  await fill(store)
  t.equal(await store.clean(), 2, 'two are given up, and then both disks have room')
  t.equal(store.state, 'open')

  const full = await openNew(t, { retention: { byDiskUse: true }, faults: 'disk_use:percent=91' })
  await fill(full)
  t.ok((await full.clean()) > 0)
  for (const append of [() => full.append(queue), () => full.appendSync(queue), () => full.appendBatch([queue])])
    t.match(await refusal(append), { code: 'DISK_FULL', message: /90 %/ })
  t.ok((await bodiesOf(full, 'orders')).length > 0, 'reading goes on')
  await full.flush()
  await full.close()
  const again = await openAt(t, full.directory, { retention: { byDiskUse: true } })
  t.equal((await again.append(queue)).status, 'PUT_OK')
})

t.test('without rules nothing goes by itself', async (t) => {
  const store = await openNew(t, { faults: 'disk_use:percent=99', settings: { ...small, cleanResourceInterval: 1 } })
  await fill(store)
  await age(store, 10_000)
  const all = await segmentsOf(store)
  await sleep(1500)
  t.equal(await store.clean(), 0)
  t.same(await segmentsOf(store), all)
  t.equal((await store.append(queue)).status, 'PUT_OK')
})

t.test('a topic that was deleted is not pulled any more, by key it is found; its numbers go on', async (t) => {
  const store = await openNew(t)
  await store.append({ topic: 'orders', body: 'old', keys: ['k'] })
  await store.append({ topic: 'other', body: 'stays' })
  await store.deleteTopic('orders')
  await store.deleteTopic('nobody')
  t.same(store.bounds('orders', 0), { minOffset: 1, maxOffset: 1 })
  t.match(await store.pull({ topic: 'orders', queueId: 0, offset: 0 }), { status: 'OFFSET_TOO_SMALL', nextOffset: 1 })
  t.equal((await store.messagesByKey({ topic: 'orders', key: 'k' })).length, 1)
  t.equal((await store.append({ topic: 'orders', body: 'new' })).queueOffset, 1)
  for (const bad of [undefined, 7, '', 'a/b'])
    t.match(await refusal(() => store.deleteTopic(bad as never)), { code: /INVALID_ARGUMENT|MESSAGE_ILLEGAL/ })
  await store.close()
  const again = await openAt(t, store.directory)
  t.same(await bodiesOf(again, 'orders'), ['new'])
  t.same(await bodiesOf(again, 'other'), ['stays'])
})

t.test('who only reads sees the log begin later', async (t) => {
  const store = await openNew(t)
  await fill(store)
  const reader = await openAt(t, store.directory, { readOnly: true })
  t.equal(reader.minLogOffset, 0)
  await store.deleteBelow(Number.MAX_SAFE_INTEGER)
  reader.queues()
  t.equal(reader.minLogOffset, store.minLogOffset)
  const late = await openAt(t, store.directory, { readOnly: true })
  t.same(reader.bounds('orders', 0), store.bounds('orders', 0))
  t.same(late.bounds('orders', 0), store.bounds('orders', 0))
  t.same(await bodiesOf(late, 'orders'), await bodiesOf(store, 'orders'))
})

t.test('rules that can not be meant are refused', async (t) => {
  for (const retention of [null, 5, { byAge: 1 }, { byDiskUse: 'yes' }, { maxBytes: 0 }, { maxBytes: 1.5 }])
    t.match(await refusal(() => openAt(t, newDirectory(t), { retention: retention as never })), { code: 'INVALID_ARGUMENT' })
  for (const settings of [{ deleteWhen: '24' }, { fileReservedTime: -1 }, { diskSpaceWarningLevelRatio: 101 }])
    t.match(await refusal(() => openAt(t, newDirectory(t), { settings })), { code: 'INVALID_SETTING' })
})

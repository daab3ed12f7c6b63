/** The statuses of a pull from a store that lacks something its queues speak of, or from a queue that can't be. */
import { open, readdir, rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { MessageStore, PullOptions } from '#src/index.js'
import type { UnitDamage } from '#src/store/types.js'
import { bodiesOf, bodyOf, collect, newDirectory, numbered, openAt, type openNew, small } from './stores.js'

const queue = { topic: 'orders', queueId: 0 }
const UNIT_BYTES = 20
const UNITS_PER_FILE = small.mappedFileSizeConsumeQueue / UNIT_BYTES

/** Status, next offset, bounds and how many messages: the same in each way of pulling. */
async function answer(store: MessageStore, options: Partial<PullOptions>): Promise<unknown[]> {
  const all = { ...queue, offset: 0, ...options }
  const { status, nextOffset, minOffset, maxOffset, messages } = await store.pull(all)
  const raw = await store.pullRaw(all)
  const ranges = await store.pullRanges(all)
  const told = [status, nextOffset, minOffset, maxOffset, messages.length]
  for (const other of [raw, ranges]) {
    const same = [other.status, other.nextOffset, other.minOffset, other.maxOffset, other.count]
    if (`${same}` !== `${told}`) return ['not the same in each way', told, same]
  }
  return told
}

/** The file that holds a queue offset. */
function fileOf(directory: string, offset: number): string {
  const begin = Math.floor(offset / UNITS_PER_FILE) * small.mappedFileSizeConsumeQueue
  return join(directory, 'consumequeue', queue.topic, `${queue.queueId}`, `${begin}`.padStart(20, '0'))
}

/** Writes over a unit of a queue. */
async function setUnit(directory: string, offset: number, { logOffset = 0n, size = 0, tagCode = 0n }): Promise<void> {
  const unit = Buffer.alloc(UNIT_BYTES)
  unit.writeBigInt64BE(logOffset, 0)
  unit.writeInt32BE(size, 8)
  unit.writeBigInt64BE(tagCode, 12)
  const file = await open(fileOf(directory, offset), 'r+')
  await file.write(unit, 0, UNIT_BYTES, (offset % UNITS_PER_FILE) * UNIT_BYTES)
  await file.close()
}

t.test('NO_MATCHED_LOGIC_QUEUE: there can be no queue of that name', async (t) => {
  const directory = newDirectory(t)
  const store = await openAt(t, directory)
  await store.appendBatch(numbered(3))
  const reader = await openAt(t, directory, { readOnly: true })
  for (const from of [store, reader]) {
    for (const topic of ['', '..', 'a/b', '../orders', 'größe', 'x'.repeat(128)])
      t.same(await answer(from, { topic }), ['NO_MATCHED_LOGIC_QUEUE', 0, 0, 0, 0], topic)
    t.same(await answer(from, { topic: 'unknown' }), ['NO_MESSAGE_IN_QUEUE', 0, 0, 0, 0], 'but there could be one of this')
  }
})

t.test('OFFSET_FOUND_NULL: the file that holds the unit is gone, and the next pull begins in the file behind it', async (t) => {
  for (const readOnly of [true, false]) {
    const directory = newDirectory(t)
    const writer = await openAt(t, directory)
    await writer.appendBatch(numbered(110))
    await writer.close()
    const store = await openAt(t, directory, { readOnly })
    // Neither is among those that opening has looked into and holds.
    for (const offset of [45, 85]) await rm(fileOf(directory, offset))
    t.same(await answer(store, { offset: 45 }), ['OFFSET_FOUND_NULL', 60, 0, 110, 0])
    t.same(await answer(store, { offset: 85, tags: 'any' }), ['OFFSET_FOUND_NULL', 100, 0, 110, 0])
    t.same(await answer(store, { offset: 39 }), ['FOUND', 40, 0, 110, 1], 'the unit before')
    t.same(await answer(store, { offset: 100 }), ['FOUND', 110, 0, 110, 10], 'the units behind')
    t.same(
      await bodiesOf(store, 'orders'),
      numbered(110)
        .map(({ body }) => body)
        .filter((_, i) => fileOf(directory, i) !== fileOf(directory, 45) && fileOf(directory, i) !== fileOf(directory, 85)),
    )
  }
})

t.test('OFFSET_FOUND_NULL: the file has been cut short', async (t) => {
  const directory = newDirectory(t)
  const writer = await openAt(t, directory)
  await writer.appendBatch(numbered(50))
  await writer.close()
  const store = await openAt(t, directory, { readOnly: true })
  await truncate(fileOf(directory, 20), 5 * UNIT_BYTES)
  t.same(await answer(store, { offset: 20 }), ['FOUND', 25, 0, 50, 5], 'what is before the cut')
  t.same(await answer(store, { offset: 25 }), ['OFFSET_FOUND_NULL', 40, 0, 50, 0])
})

t.test('OFFSET_FOUND_NULL in the last file: whoever follows goes on with the next message', async (t) => {
  const directory = newDirectory(t)
  const writer = await openAt(t, directory)
  await writer.appendBatch(numbered(45))
  await writer.close()
  const reader = await openAt(t, directory, { readOnly: true })
  await truncate(fileOf(directory, 40), 0)
  t.same(await answer(reader, { offset: 42 }), ['OFFSET_FOUND_NULL', 60, 0, 45, 0])
  const statuses: string[] = []
  const pull = reader.pull.bind(reader)
  reader.pull = async (options) => {
    const page = await pull(options)
    statuses.push(page.status)
    return page
  }
  const next = reader
    .messages({ ...queue, from: 42, follow: true })
    [Symbol.asyncIterator]()
    .next()
  while (statuses.length < 2) await sleep(1)
  t.same(statuses.slice(0, 2), ['OFFSET_FOUND_NULL', 'OFFSET_OVERFLOW_ONE'])
  const again = await openAt(t, directory)
  await again.append({ ...queue, body: 'next' })
  t.equal(bodyOf((await next).value), 'next')
})

/** A store without its first two segments, with a queue of 15 messages behind them, and a unit of a record that is gone. */
async function trimmed(t: Parameters<typeof openNew>[0], onDamage: (damage: UnitDamage) => void) {
  const directory = newDirectory(t)
  const first = await openAt(t, directory)
  const gone = await first.append({ topic: 'old', body: 'gone' })
  await first.appendBatch(Array.from({ length: 400 }, () => ({ topic: 'old', body: Buffer.alloc(400) })))
  await first.appendBatch(numbered(15).map((message, i) => ({ ...message, tags: i % 2 === 0 ? 'even' : 'odd' })))
  const [even] = [...first.consumeQueue('orders', 0).units()]
  await first.close()
  for (const segment of (await readdir(join(directory, 'commitlog'))).sort().slice(0, 2)) await rm(join(directory, 'commitlog', segment))
  const store = await openAt(t, directory, { onDamage })
  t.same(store.bounds('orders', 0), { minOffset: 0, maxOffset: 15 })
  return { directory, store, expired: { logOffset: BigInt(gone.logOffset), size: gone.size, tagCode: even?.tagCode as bigint } }
}

t.test('MESSAGE_WAS_REMOVING: the record is in a segment that is gone', async (t) => {
  const damage: UnitDamage[] = []
  const { directory, store, expired } = await trimmed(t, (one) => damage.push(one))
  for (const offset of [5, 6, 14]) await setUnit(directory, offset, expired)
  t.same(await answer(store, { offset: 14 }), ['MESSAGE_WAS_REMOVING', 15, 0, 15, 0])
  t.same(await answer(store, { offset: 5, maxMessages: 2 }), ['FOUND', 9, 0, 15, 2], 'behind it the messages go on')
  t.same(await answer(store, { offset: 3, maxMessages: 2 }), ['FOUND', 5, 0, 15, 2], 'and before it')
  t.same(await bodiesOf(store, 'orders'), ['0', '1', '2', '3', '4', '7', '8', '9', '10', '11', '12', '13'])
  t.same(damage, [], 'that is no damage')
  // Of several reasons for which nothing is found the last one is told.
  t.same(await answer(store, { offset: 13, tags: 'even' }), ['MESSAGE_WAS_REMOVING', 15, 0, 15, 0])
  t.same(await answer(store, { offset: 14, tags: 'odd' }), ['NO_MATCHED_MESSAGE', 15, 0, 15, 0])
  const other = await trimmed(t, (one) => damage.push(one))
  for (const offset of [12, 14]) await setUnit(other.directory, offset, other.expired)
  t.same(await answer(other.store, { offset: 12, tags: 'even' }), ['NO_MATCHED_MESSAGE', 15, 0, 15, 0])
})

t.test('a unit that points nowhere is damage: reported, and passed over', async (t) => {
  const damage: UnitDamage[] = []
  const { directory, store, expired } = await trimmed(t, (one) => damage.push(one))
  const wrong: [number, { logOffset?: bigint; size?: number }, RegExp][] = [
    [3, {}, /never written/],
    [4, { ...expired, size: -5 }, /out of the log/],
    [5, { ...expired, logOffset: -1n }, /out of the log/],
    [6, { ...expired, logOffset: -(2n ** 63n) }, /out of the log/],
    [7, { ...expired, logOffset: 2n ** 63n - 1n, size: 0x7fffffff }, /out of the log/],
    [8, { ...expired, logOffset: BigInt(store.maxLogOffset) - 10n }, /out of the log/],
    [14, { ...expired, logOffset: BigInt(store.maxLogOffset) }, /out of the log/],
  ]
  for (const [offset, unit] of wrong) await setUnit(directory, offset, unit)
  t.same((await collect(store.messages(queue))).map(bodyOf), ['0', '1', '2', '9', '10', '11', '12', '13'])
  t.match(
    damage,
    wrong.map(([queueOffset, , reason]) => ({ ...queue, queueOffset, reason })),
  )
  t.equal(damage.length, wrong.length)
  t.same(await answer(store, { offset: 14 }), ['MESSAGE_WAS_REMOVING', 15, 0, 15, 0])
})

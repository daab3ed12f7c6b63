/** Log, queues and index without a store around them: what they read of stores that RocketMQ and millrace wrote, and what a store makes of what they wrote. */
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { CommitLog, ConsumeQueue, defaultSettings, format, IndexFile, IndexFiles, MessageStore } from '#src/index.js'
import { allFixtures, fixture } from '../support/fixtures.js'
import { readIndexFiles, readLog, readQueues } from '../support/store-files.js'
import { bodiesOf, collect, newDirectory, numbered, openAt, openNew, refusal, small } from './stores.js'

t.setTimeout(120_000)

const SEGMENT_BYTES = small.mappedFileSizeCommitLog
const write = { readOnly: false } as const
const indexSizes = { slots: small.maxHashSlotNum, entries: small.maxIndexNum }

/** Closes with the test. */
async function opened<P extends { close(): Promise<void> }>(t: Test, part: Promise<P>): Promise<P> {
  const open = await part
  t.teardown(() => open.close().catch(() => {}))
  return open
}

/** A closed store with `count` messages of a topic, each with a key. */
async function filled(t: Test, count: number): Promise<string> {
  const directory = newDirectory(t)
  const store = await openAt(t, directory)
  for (let from = 0; from < count; from += 100) await store.appendBatch(numbered(Math.min(100, count - from), { from }))
  await store.close()
  return directory
}

for (const name of allFixtures) {
  t.test(`${name}: log, queues and index read alone are what their files hold`, async (t) => {
    const { dir, manifest, settings } = fixture(name)
    const files = readLog(dir)
    const log = await opened(t, CommitLog.open(join(dir, 'commitlog')))
    t.equal(log.minOffset, files.minOffset)
    // A segment that was made ahead begins where the blank record before it leads.
    const ahead = Math.ceil(files.maxOffset / log.segmentBytes) * log.segmentBytes
    t.ok([files.maxOffset, ...(files.blanks.length > 0 ? [ahead] : [])].includes(log.maxOffset), `${log.maxOffset}`)
    t.same(
      (await collect(log.records())).map((message) => [message.logOffset, message.raw]),
      files.records.map(({ logOffset, bytes, at }) => [logOffset, bytes.subarray(at, at + bytes.readInt32BE(at))]),
    )
    for (const { logOffset, bytes, at } of files.records.slice(0, 20)) {
      t.same((await log.messageAt(logOffset))?.raw, bytes.subarray(at, at + bytes.readInt32BE(at)))
      t.equal(await log.messageAt(logOffset + 1), undefined)
      t.same(await log.range(logOffset + 3, 20), bytes.subarray(at + 3, at + 23))
    }
    for (const { topic, queueId, from, units } of readQueues(dir)) {
      const queue = await opened(t, ConsumeQueue.open({ root: dir, topic, queueId }))
      const fillers = units.findIndex((unit) => !format.isFiller(unit))
      t.equal(queue.minOffset, from + Math.max(0, fillers), `${topic}/${queueId}`)
      t.equal(queue.maxOffset, from + units.length)
      t.same([...queue.units()], units.slice(Math.max(0, fillers)))
    }
    if (!existsSync(join(dir, 'index'))) return
    const { maxHashSlotNum: slots, maxIndexNum: entries } = { ...defaultSettings(), ...settings }
    const index = await opened(t, IndexFiles.open(join(dir, 'index'), { slots, entries }))
    const one = await index.files()
    const parsed = readIndexFiles(dir)
    t.equal(one.length, parsed.length)
    for (const [i, file] of one.entries()) {
      const bytes = parsed[i]?.bytes as Buffer
      t.same(file.header, format.readIndexHeader(bytes))
      t.equal(format.indexFileBytes(file), bytes.length)
      const items = [...file.items()]
      t.equal(items.length, file.header.nextEntry - 1)
      for (const [n, entry] of items.entries()) t.same(entry, format.readIndexEntry(bytes, file, n + 1))
      t.same([...file.items(3, 2)], items.slice(2, 4))
      await file.close()
    }
    if (!manifest.recovered.lastExitOk) return // recovery adds to the index of a store that crashed
    const sorted = (offsets: readonly number[]) => [...new Set(offsets)].filter((at) => at >= log.minOffset).sort((a, b) => a - b)
    for (const { topic, key, maxNum, begin, end, logOffsets } of manifest.queries)
      t.same(sorted(index.query(topic, key, { limit: maxNum, begin, end })), sorted(logOffsets), `${topic} ${key}`)
  })
}

t.test('parts read alone are the parts of the store', async (t) => {
  const directory = await filled(t, 1500)
  const store = await openAt(t, directory)
  const log = await opened(t, CommitLog.open(join(directory, 'commitlog')))
  t.equal(log.segmentBytes, SEGMENT_BYTES)
  t.ok(log.maxOffset > 2 * SEGMENT_BYTES)
  t.same([log.minOffset, log.maxOffset], [store.commitLog.minOffset, store.commitLog.maxOffset])
  for (const part of [log, store.commitLog]) {
    t.equal(part.readOnly, true)
    t.same(
      (await collect(part.records({ from: SEGMENT_BYTES, to: SEGMENT_BYTES + 1000 }))).map(({ logOffset }) => logOffset),
      (await collect(log.records())).map(({ logOffset }) => logOffset).filter((at) => at >= SEGMENT_BYTES && at < SEGMENT_BYTES + 1000),
    )
    const segment = readFileSync(join(directory, 'commitlog', format.fileName(SEGMENT_BYTES)))
    t.same(await part.range(SEGMENT_BYTES - 10, 1 << 30), readFileSync(join(directory, 'commitlog', format.fileName(0))).subarray(-10))
    t.same(await part.range(SEGMENT_BYTES, 1 << 30), segment)
    t.same(await part.range(part.maxOffset, 10), Buffer.alloc(0))
    t.equal((await part.range(part.maxOffset - 10, 100)).length, 10)
    t.equal(await part.messageAt(part.maxOffset), undefined)
  }
  const queue = await opened(t, ConsumeQueue.open(join(directory, 'consumequeue', 'orders', '0')))
  const same = store.consumeQueue('orders', 0)
  t.match(queue, { topic: 'orders', queueId: 0, minOffset: 0, maxOffset: 1500 })
  t.same([...queue.units()], [...same.units()])
  for (const part of [queue, same]) {
    t.same([...part.units(19, 30)].length, 30, 'over the end of a file')
    t.same(part.unit(25), [...part.units(25, 1)][0])
    t.equal(part.unit(1500), undefined)
  }
  const index = await opened(t, IndexFiles.open(join(directory, 'index')))
  t.match(index, indexSizes)
  for (const key of ['k0', 'k333', 'k1499', 'other']) t.same(index.query('orders', key), store.index.query('orders', key))
  t.equal((await index.files()).length, 8)
  const own = await store.index.files()
  t.same(
    own.map(({ header }) => header.nextEntry),
    [200, 200, 200, 200, 200, 200, 200, 108],
  )
  await Promise.all(own.map((file) => file.close()))
})

t.test('a log that is open for reading finds what another appends when it looks again', async (t) => {
  const store = await openNew(t)
  await store.appendBatch(numbered(10))
  const log = await opened(t, CommitLog.open(join(store.directory, 'commitlog')))
  const before = log.maxOffset
  await store.appendBatch(numbered(700, { from: 10 }))
  t.equal(log.maxOffset, before)
  await log.refresh()
  t.equal(log.maxOffset, store.maxLogOffset)
  t.ok(log.maxOffset > SEGMENT_BYTES, 'in another segment')
  t.equal((await collect(log.records())).length, 710)
})

t.test('a log copied by its bytes, in pieces of any size, is a log; units and keys put alone make a store of it', async (t) => {
  const from = await opened(t, CommitLog.open(join(await filled(t, 700), 'commitlog')))
  const root = newDirectory(t)
  const log = await opened(t, CommitLog.open(join(root, 'commitlog'), { ...write, segmentBytes: SEGMENT_BYTES }))
  const queue = await opened(t, ConsumeQueue.open({ root, topic: 'orders', queueId: 0 }, { ...write, fileBytes: 400 }))
  const index = await opened(t, IndexFiles.open(join(root, 'index'), { ...write, ...indexSizes }))
  t.same([log.minOffset, log.maxOffset, queue.maxOffset, index.query('orders', 'k1')], [0, 0, 0, []])
  for (let i = 0; log.writtenOffset < from.maxOffset; i++) {
    log.appendRaw(log.writtenOffset, await from.range(log.writtenOffset, [1, 700, 13, 5000, 90_000][i % 5] as number))
    t.ok(log.maxOffset <= log.writtenOffset)
    t.notOk(log.maxOffset > 0 && (await log.messageAt(log.maxOffset)), 'nothing begins where the whole records end')
  }
  t.equal(log.maxOffset, from.maxOffset)
  for await (const { logOffset, size, queueOffset, keys, storeTimestamp } of log.records()) {
    t.equal(queue.put({ logOffset, size, tagCode: 0n }), queueOffset)
    index.put('orders', keys[0] as string, logOffset, storeTimestamp)
  }
  t.equal(queue.maxOffset, 700)
  t.same(queue.unit(699)?.logOffset, index.query('orders', 'k699')[0], 'seen at once')
  t.ok(log.flushedOffset < log.maxOffset)
  await Promise.all([log.flush(), queue.flush(), index.flush()])
  t.equal(log.flushedOffset, log.maxOffset)
  t.ok(log.statistics.syncs > 0)
  await Promise.all([log.close(), queue.close(), index.close()])
  t.same(readQueues(root)[0]?.units.length, 700)

  const store = await openAt(t, root)
  t.equal(store.recovery.torn, undefined)
  t.same(
    await bodiesOf(store, 'orders'),
    numbered(700).map(({ body }) => body),
  )
  t.equal(store.index.query('orders', 'k650').length, 1)
})

t.test('what is appended alone to the log of a store is in its queues when it opens', async (t) => {
  const from = await opened(t, CommitLog.open(join(await filled(t, 30), 'commitlog')))
  const directory = await filled(t, 10)
  const log = await opened(t, CommitLog.open(join(directory, 'commitlog'), write))
  t.equal((await refusal(() => log.appendRaw(log.writtenOffset + 1, Buffer.alloc(5)))).code, 'APPEND_GAP')
  log.appendRaw(log.writtenOffset, await from.range(log.writtenOffset, from.maxOffset))
  // The beginning of a record goes when the log closes.
  log.appendRaw(log.writtenOffset, (await from.range(0, 50)).subarray(0, 50))
  t.ok(log.maxOffset < log.writtenOffset)
  await log.close()
  const again = await opened(t, CommitLog.open(join(directory, 'commitlog'), write))
  t.equal(again.writtenOffset, from.maxOffset)
  await again.close()
  const store = await openAt(t, directory)
  t.equal(store.recovery.torn, undefined)
  t.equal((await bodiesOf(store, 'orders')).length, 30)
})

t.test('an empty log begins at any segment', async (t) => {
  const log = await opened(t, CommitLog.open(newDirectory(t), { ...write, segmentBytes: SEGMENT_BYTES }))
  const from = await opened(t, CommitLog.open(join(await filled(t, 700), 'commitlog')))
  t.equal((await refusal(() => log.appendRaw(5, Buffer.alloc(5)))).code, 'APPEND_GAP')
  log.appendRaw(SEGMENT_BYTES, await from.range(SEGMENT_BYTES, 1 << 20))
  t.equal(log.minOffset, SEGMENT_BYTES)
  t.same((await log.messageAt(SEGMENT_BYTES))?.raw, (await from.messageAt(SEGMENT_BYTES))?.raw)
})

t.test('one index file takes keys until it is full', async (t) => {
  const directory = await filled(t, 5)
  const [name = ''] = readdirSync(join(directory, 'index'))
  const file = await opened(t, IndexFile.open(join(directory, 'index', name), write))
  t.equal(file.header.nextEntry, 6)
  const { endTimestamp } = file.header
  for (let i = 6; i < file.entries; i++) t.equal(file.put('orders', `more${i}`, 10_000 + i, endTimestamp + 5000), true)
  t.equal(file.put('orders', 'late', 20_000, endTimestamp), false)
  t.same(file.query('orders', 'more6'), [10_006])
  t.same(file.query('orders', 'more6', { end: endTimestamp - 1000 }), [])
  t.same(file.query('orders', 'late'), [])
  await file.flush()
  await file.close()
  const again = await opened(t, IndexFiles.open(join(directory, 'index')))
  t.same(again.query('orders', 'more199'), [10_199])
})

t.test('parts that are written to share their store’s lock, and nobody else has it meanwhile', async (t) => {
  const directory = await filled(t, 5)
  const places = {
    log: join(directory, 'commitlog'),
    queue: join(directory, 'consumequeue', 'orders', '0'),
    index: join(directory, 'index'),
  }
  const store = await openAt(t, directory)
  for (const open of [
    () => CommitLog.open(places.log, write),
    () => ConsumeQueue.open(places.queue, write),
    () => IndexFiles.open(places.index, write),
  ])
    t.match(await refusal(open), { code: 'STORE_LOCKED', holder: process.pid })
  for (const part of [await CommitLog.open(places.log), await ConsumeQueue.open(places.queue), await IndexFiles.open(places.index)])
    await part.close()
  await store.close()

  const log = await opened(t, CommitLog.open(places.log, write))
  const queue = await opened(t, ConsumeQueue.open(places.queue, write))
  t.match(await refusal(() => CommitLog.open(places.log, write)), { code: 'STORE_LOCKED', holder: process.pid })
  t.match(await refusal(() => MessageStore.open(directory)), { code: 'STORE_LOCKED', holder: process.pid })
  await log.close()
  t.equal((await refusal(() => MessageStore.open(directory))).code, 'STORE_LOCKED', 'the queue still has it')
  const reopened = await CommitLog.open(places.log, write)
  await reopened.close()
  await queue.close()
  await (await openAt(t, directory)).close()
})

t.test('a folder that is no part of a store has no lock, and its files are born beside it', async (t) => {
  const directory = newDirectory(t)
  const log = await opened(t, CommitLog.open(directory, { ...write, segmentBytes: SEGMENT_BYTES }))
  const from = await opened(t, CommitLog.open(join(await filled(t, 3), 'commitlog')))
  log.appendRaw(0, await from.range(0, 1 << 20))
  await log.close()
  t.same(readdirSync(directory), [format.fileName(0)])
  t.same(readdirSync(`${directory}.millrace`), [])
  t.notOk(existsSync(join(directory, '..', 'lock')))
})

t.test('what writing would destroy refuses to be written to, unless it may go', async (t) => {
  const directory = await filled(t, 30)
  const segment = join(directory, 'commitlog', format.fileName(0))
  const records = readLog(directory).records
  const bytes = readFileSync(segment)
  const at = records[20]?.at as number
  bytes.writeUInt8(bytes.readUInt8(at + 88) ^ 1, at + 88) // in the body: its CRC tells
  writeFileSync(segment, bytes)
  const reading = await opened(t, CommitLog.open(join(directory, 'commitlog')))
  t.equal(reading.maxOffset, at)
  t.match(await refusal(() => CommitLog.open(join(directory, 'commitlog'), write)), { code: 'CORRUPT_LOG', logOffset: at, path: segment })
  t.same(readFileSync(segment), bytes, 'and is left as it was')
  const cut = await opened(t, CommitLog.open(join(directory, 'commitlog'), { ...write, onCorruption: 'cut' }))
  t.equal(cut.maxOffset, at)
  t.ok(
    readFileSync(segment)
      .subarray(at)
      .every((byte) => byte === 0),
  )
  await cut.close()

  const folder = join(directory, 'consumequeue', 'orders', '0')
  const file = join(folder, format.fileName(400))
  const units = readFileSync(file)
  units.fill(0, 60, 80)
  writeFileSync(file, units)
  t.equal((await opened(t, ConsumeQueue.open(folder))).maxOffset, 23)
  t.match(await refusal(() => ConsumeQueue.open(folder, write)), { code: 'CORRUPT_QUEUE', path: file })
  t.same(readFileSync(file), units)
  const queue = await opened(t, ConsumeQueue.open(folder, { ...write, onCorruption: 'cut' }))
  t.equal(queue.put({ logOffset: 5, size: 6, tagCode: -7n }), 23)
  t.same(queue.unit(23), { logOffset: 5, size: 6, tagCode: -7n })
  t.equal(queue.unit(24), undefined)
})

t.test('what is no part of a store is refused, and nothing is made for a reader', async (t) => {
  const missing = newDirectory(t)
  const code = async (work: () => unknown) => (await refusal(work)).code
  for (const open of [
    () => CommitLog.open(missing),
    () => ConsumeQueue.open(join(missing, 'orders', '0')),
    () => ConsumeQueue.open({ root: missing, topic: 'orders', queueId: 0 }),
    () => IndexFiles.open(missing),
    () => IndexFile.open(missing),
  ])
    t.equal(await code(open), 'NO_STORE')
  t.notOk(existsSync(missing))
  mkdirSync(missing)
  t.match(await opened(t, CommitLog.open(missing)), { minOffset: 0, maxOffset: 0 }, 'an empty log')

  const directory = await filled(t, 5)
  const places = { log: join(directory, 'commitlog'), queue: join(directory, 'consumequeue', 'orders', '0') }
  t.match(await refusal(() => CommitLog.open(places.log, { segmentBytes: 131072 })), { code: 'SEGMENT_SIZE_MISMATCH', foundBytes: 65536 })
  t.match(await refusal(() => ConsumeQueue.open(places.queue, { fileBytes: 800 })), { code: 'SEGMENT_SIZE_MISMATCH', foundBytes: 400 })
  t.equal(await code(() => IndexFiles.open(join(directory, 'index'), { slots: 10, entries: 20 })), 'INDEX_SIZE_UNKNOWN')
  const [name = ''] = readdirSync(join(directory, 'index'))
  const file = join(directory, 'index', name)
  t.equal(await code(() => IndexFile.open(file, { slots: 10, entries: 20 })), 'INDEX_SIZE_UNKNOWN')
  t.equal(await code(() => IndexFile.open(join(places.log, format.fileName(0)))), 'INDEX_SIZE_UNKNOWN')
  t.equal(await code(() => IndexFile.open(join(directory, 'index'))), 'FOREIGN_FILE')
  appendFileSync(join(places.log, 'stray'), 'x')
  t.equal(await code(() => CommitLog.open(places.log)), 'FOREIGN_FILE')

  for (const open of [
    () => CommitLog.open(5 as never),
    () => CommitLog.open(''),
    () => CommitLog.open(directory, null as never),
    () => CommitLog.open(directory, { segmentBytes: 0.5 }),
    () => CommitLog.open(directory, { readOnly: 'no' as never }),
    () => CommitLog.open(directory, { onCorruption: 'readOnly' as never }),
    () => ConsumeQueue.open(directory),
    () => ConsumeQueue.open(join(directory, 'a b', '0'), write),
    () => ConsumeQueue.open(places.queue, { fileBytes: 30 }),
    () => ConsumeQueue.open({ root: directory, topic: '../x', queueId: 0 }),
    () => ConsumeQueue.open({ root: directory, topic: 'orders', queueId: -1 }),
    () => ConsumeQueue.open(null as never),
    () => IndexFiles.open(directory, { slots: 10 }),
    () => IndexFile.open(file, { slots: 0, entries: 5 }),
  ])
    t.equal(await code(open), 'INVALID_ARGUMENT', String(open))
})

t.test('a page that cannot be read is an error of the call, not the end of the process', async (t) => {
  const directory = await filled(t, 5)
  const log = await opened(t, CommitLog.open(join(directory, 'commitlog')))
  const index = await opened(t, IndexFiles.open(join(directory, 'index')))
  const [name = ''] = readdirSync(join(directory, 'index'))
  const file = await opened(t, IndexFile.open(join(directory, 'index', name)))
  for (const path of [join(directory, 'commitlog', format.fileName(0)), join(directory, 'index', name)]) truncateSync(path, 0)
  for (const work of [() => log.messageAt(0), () => collect(log.records()), () => log.range(0, 10), () => index.query('orders', 'k1')])
    t.equal((await refusal(work)).code, 'PAGE_UNREADABLE')
  t.equal((await refusal(() => file.header)).code, 'PAGE_UNREADABLE')
  t.equal((await refusal(() => file.query('orders', 'k1'))).code, 'PAGE_UNREADABLE')
})

t.test('a log that was renamed under its reader can still be read', async (t) => {
  const directory = await filled(t, 5)
  const log = await opened(t, CommitLog.open(join(directory, 'commitlog')))
  renameSync(directory, `${directory}-moved`)
  t.equal((await collect(log.records())).length, 5)
})

/** Each system call on files fails once, at every place a run comes to: nothing acknowledged is lost, nothing refused is stored. */
import { rm } from 'node:fs/promises'
import t, { type Test } from 'tap'
import { type AppendResult, MessageStore, StoreError } from '#src/index.js'
import { rounds, seed } from '../support/random.js'
import { collect, newDirectory } from './stores.js'

const [EIO, ENOMEM, EMFILE, ENOSPC, EROFS, EDQUOT] = [5, 12, 24, 28, 30, 122]

/** So small that every batch makes files: a segment holds some 35 messages, a queue file 5, an index file 39 keys. */
const settings = {
  mappedFileSizeCommitLog: 8192,
  mappedFileSizeConsumeQueue: 100,
  maxHashSlotNum: 10,
  maxIndexNum: 40,
  maxMessageSize: 4096,
}

/** A short run takes every fourth place, from one that the seed chooses; MILLRACE_ROUNDS above 1 takes all. */
const stride = rounds > 1 ? 1 : 4

t.comment(`MILLRACE_SEED=${seed} MILLRACE_ROUNDS=${rounds}`)

/** How a run with failures ended. */
interface Run {
  stored: AppendResult[]
  refused: StoreError[]
  unopened?: StoreError
  failed: boolean
}

const TOPICS = 6

const boundsOf = (store: MessageStore): unknown => [store.commitLog.writtenOffset, store.queues().filter(({ maxOffset }) => maxOffset > 0)]

/**
 * Opens a store whose files fail by plan, appends batches to many queues over many segments and index files, each batch again until it is taken (some
 * times), closes. What was refused must have left the bounds as they were.
 */
async function runWith(t: Test, directory: string, faults: string, flush: 'sync' | 'async'): Promise<Run> {
  const run: Run = { stored: [], refused: [], failed: false }
  let store: MessageStore
  try {
    store = await MessageStore.open(directory, { flush, settings, faults } as never)
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    run.unopened = error
    return run
  }
  for (let n = 0; n < 8; n++) {
    const batch = Array.from({ length: 12 }, (_, i) => ({
      topic: `t${(n + i) % TOPICS}`,
      keys: `k${n}-${i}`,
      body: `${n}-${i}`.padEnd(150, '.'),
    }))
    for (let tries = 0; tries < 6; tries++) {
      const before = boundsOf(store)
      try {
        run.stored.push(...store.appendBatchSync(batch))
        break
      } catch (error) {
        if (!(error instanceof StoreError)) throw error
        run.refused.push(error)
        if (error.code === 'STORE_FAILED' || error.code === 'SYNC_FAILED') run.failed = true
        else t.same(boundsOf(store), before, `${faults}: ${error.code} changed nothing`)
      }
      if (run.failed) break
    }
    if (run.failed) break
  }
  await store.close().catch((error) => {
    if (!(error instanceof StoreError)) throw error
    run.refused.push(error)
  })
  return run
}

/** Opens the store without failures: everything acknowledged is there, in its place, and where nothing failed for good, nothing else. */
async function checkAfter(t: Test, directory: string, faults: string, run: Run): Promise<void> {
  const store = await MessageStore.open(directory, { settings }).catch((error) => error)
  if (!(store instanceof MessageStore)) return void t.fail(`${faults}: does not open again: ${store}`)
  const records = new Map((await collect(store.records())).map((record) => [record.logOffset, record]))
  const lost = run.stored.filter(({ logOffset, queueOffset }) => records.get(logOffset)?.queueOffset !== queueOffset)
  if (lost.length > 0) t.fail(`${faults}: ${lost.length} of ${run.stored.length} are lost`, { first: lost[0] } as object)
  if (!run.failed && records.size !== run.stored.length) t.fail(`${faults}: ${records.size} records, ${run.stored.length} acknowledged`)
  for (const { topic, queueId, minOffset, maxOffset } of store.queues()) {
    const offsets = (await collect(store.messages({ topic, queueId }))).map(({ queueOffset }) => queueOffset)
    if (offsets.length !== maxOffset - minOffset || offsets.some((offset, i) => offset !== minOffset + i))
      t.fail(`${faults}: queue ${topic} is not dense`)
  }
  for (const { logOffset } of run.stored) {
    const record = records.get(logOffset)
    const key = record?.keys[0]
    if (key !== undefined && !store.index.query(record?.topic as string, key).includes(logOffset))
      t.fail(`${faults}: the index lacks ${key}`)
  }
  await store.append({ topic: 't0', body: 'goes on' })
  await store.close()
  await rm(directory, { recursive: true })
}

/** The operation fails at its k-th call, once, and then works again. */
async function sweep(t: Test, operation: string, errno: number, count: number, codes: RegExp, path = ''): Promise<void> {
  const seen = new Map<string, number>()
  let hit = 0
  let runs = 0
  for (let after = seed % stride; after < count; after += stride) {
    const faults = `${operation}:errno=${errno}:after=${after}:times=1${path === '' ? '' : `:path=${path}`}`
    const directory = newDirectory(t)
    const run = await runWith(t, directory, faults, (after >> 2) % 2 ? 'sync' : 'async')
    const errors = run.unopened === undefined ? run.refused : [run.unopened]
    for (const { code, message } of errors) {
      seen.set(code, (seen.get(code) ?? 0) + 1)
      if (!codes.test(code)) t.fail(`${faults}: ${code}: ${message}`)
    }
    if (errors.length > 0) hit++
    runs++
    await checkAfter(t, directory, faults, run)
  }
  t.comment(`${operation} ${path}: ${hit} of ${runs} runs met it: ${JSON.stringify(Object.fromEntries(seen))}`)
}

t.test('a full disk refuses with DISK_FULL and stores nothing; when there is room again, appends go on', async (t) => {
  await sweep(t, 'reserve', ENOSPC, 40, /^DISK_FULL$/)
  await sweep(t, 'reserve', EDQUOT, 20, /^DISK_FULL$/)
  await sweep(t, 'write', ENOSPC, 30, /^DISK_FULL$/)
  await sweep(t, 'open', ENOSPC, 30, /^DISK_FULL$/)
  await sweep(t, 'set_length', ENOSPC, 12, /^DISK_FULL$/)
})

t.test('a failing creation is a clear error, and the directory still opens', async (t) => {
  const creation = /^(SEGMENT_CREATE_FAILED|IO_ERROR|SYNC_FAILED|STORE_FAILED)$/
  await sweep(t, 'rename', EROFS, 30, creation)
  await sweep(t, 'mkdir', EROFS, 14, creation)
  await sweep(t, 'map', ENOMEM, 14, creation)
  await sweep(t, 'open', EMFILE, 30, creation)
  await sweep(t, 'sync_file', EIO, 14, creation)
  await sweep(t, 'sync_dir', EIO, 14, creation)
  await sweep(t, 'unlink', EROFS, 14, creation)
  await sweep(t, 'read', EIO, 10, creation)
})

t.test('a failing device is a clear error, and the directory still opens', async (t) => {
  const device = /^(IO_ERROR|SYNC_FAILED|STORE_FAILED|SEGMENT_CREATE_FAILED)$/
  await sweep(t, 'write', EIO, 30, device)
  await sweep(t, 'sync_data', EIO, 24, device)
  await sweep(t, 'sync_data', EIO, 12, device, 'consumequeue')
  await sweep(t, 'sync_data', EIO, 8, device, '/index/')
})

t.test('where neither the write nor its undoing works the store fails, and opens again with all that was acknowledged', async (t) => {
  for (let after = seed % stride; after < 12; after += stride) {
    const directory = newDirectory(t)
    const faults = `write:errno=${EIO}:after=${after}:path=/commitlog/`
    const run = await runWith(t, directory, faults, 'sync')
    t.ok(run.failed, 'the store has failed')
    await checkAfter(t, directory, faults, run)
  }
})

import { existsSync } from 'node:fs'
import { cp, mkdir, readdir, readFile, rename, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { AsyncFlush, MessageStore, SyncFlush } from '#src/index.js'
import { bodiesOf, newDirectory, numbered, openAt, openNew, refusal, small } from './stores.js'

t.setTimeout(60_000)

/** A closed store of a few segments. */
async function filled(t: Parameters<typeof newDirectory>[0], settings: object = small): Promise<string> {
  const directory = newDirectory(t)
  const store = await openAt(t, directory, { settings })
  await store.appendBatch(Array.from({ length: 500 }, (_, i) => ({ topic: 'orders', keys: `k${i}`, body: `${i}`.padEnd(300, '.') })))
  await store.close()
  return directory
}

t.test('options that cannot be meant are refused before anything is made', async (t) => {
  const directory = newDirectory(t)
  const wrong: [string, unknown][] = [
    ['flush', { flush: 'never' }],
    ['flush', { flush: { kind: 'sync' } }],
    ['visible', { visible: 'soon' }],
    ['onCorruption', { onCorruption: 'ignore' }],
    ['whenFull', { whenFull: 'drop' }],
    ['readOnly', { readOnly: 1 }],
    ['rebuildIndex', { rebuildIndex: 'yes' }],
    ['onProgress', { onProgress: 1 }],
    ['onDamage', { onDamage: {} }],
    ['replication', { replication: {} }],
    ['maxWaitingAppends', { maxWaitingAppends: 0 }],
    ['maxWaitingBytes', { maxWaitingBytes: 1.5 }],
    ['storeHost', { storeHost: 'nowhere' }],
    ['storeHost', { storeHost: '1.2.3.4:99999' }],
    ['options', null],
    ['options', 'sync'],
    ['checkpointIntervalMs', { checkpointIntervalMs: 'often' }],
    ['faults', { faults: 'write:sometimes' }],
  ]
  for (const [what, options] of wrong) {
    const error = await refusal(() => MessageStore.open(directory, options as never)).catch((other) => other)
    t.match(error, { code: 'INVALID_ARGUMENT' }, `${what}: ${error}`)
  }
  for (const path of ['', undefined, 5])
    t.match(await refusal(() => MessageStore.open(path as never)).catch((other) => other), { code: 'INVALID_ARGUMENT', what: 'directory' })
  t.notOk(existsSync(directory))
})

t.test('settings that no store can have are refused', async (t) => {
  const wrong: object[] = [
    { mappedFileSizeCommitLog: -1 },
    { mappedFileSizeCommitLog: 100 },
    { mappedFileSizeCommitLog: 1.5 },
    { mappedFileSizeCommitLog: 'large' },
    { mappedFileSizeConsumeQueue: -20 },
    { maxHashSlotNum: -1, maxIndexNum: 5 },
    { maxHashSlotNum: 1.5, maxIndexNum: 5 },
    { maxMessageSize: -1 },
    { messageDelayLevel: '1 fortnight' },
    { flushDiskType: 'SOMETIMES' },
  ]
  for (const settings of wrong) {
    const directory = newDirectory(t)
    const error = await refusal(async () => (await MessageStore.open(directory, { settings } as never)).close()).catch((other) => other)
    t.match(error, { code: /^INVALID_(SETTING|ARGUMENT)$/ }, `${JSON.stringify(settings)}: ${error}`)
  }
})

t.test('both flush policies are options by name and by value', async (t) => {
  for (const flush of [
    'sync',
    'async',
    new SyncFlush({ timeoutMs: 100 }),
    new AsyncFlush({ intervalMs: 1, leastPages: 0, thoroughIntervalMs: 5 }),
  ] as const) {
    const store = await openNew(t, { flush })
    await store.append({ topic: 'orders', body: 'x' })
    if (flush === 'sync' || flush instanceof SyncFlush) t.equal(store.flushedLogOffset, store.maxLogOffset)
    await store.flush()
    t.equal(store.flushedLogOffset, store.maxLogOffset)
    await store.close()
  }
  const store = await openNew(t, { settings: { ...small, flushDiskType: 'SYNC_FLUSH' } })
  await store.append({ topic: 'orders' })
  t.equal(store.flushedLogOffset, store.maxLogOffset, 'by the setting of a broker')
})

t.test('a flush policy takes whole numbers of milliseconds, and what it leaves open the settings decide', async (t) => {
  for (const wrong of [0, -1, 0.5, Number.NaN, 2 ** 31, '5' as never]) {
    t.equal((await refusal(() => new SyncFlush({ timeoutMs: wrong }))).code, 'INVALID_ARGUMENT')
    t.equal((await refusal(() => new AsyncFlush({ intervalMs: wrong }))).code, 'INVALID_ARGUMENT')
    t.equal((await refusal(() => new AsyncFlush({ thoroughIntervalMs: wrong }))).code, 'INVALID_ARGUMENT')
    if (wrong !== 0) t.equal((await refusal(() => new AsyncFlush({ leastPages: wrong }))).code, 'INVALID_ARGUMENT')
    if (wrong !== 2 ** 31)
      t.equal((await refusal(() => MessageStore.open(newDirectory(t), { checkpointIntervalMs: wrong }))).code, 'INVALID_ARGUMENT')
  }
  const slow = 'sync_data:delay=1500:times=1:path=/commitlog/'
  for (const flush of ['sync', new SyncFlush(), undefined] as const) {
    const settings = { ...small, flushDiskType: 'SYNC_FLUSH', syncFlushTimeout: 50 } as const
    const store = await openNew(t, { ...(flush && { flush }), settings, faults: slow })
    const attached = MessageStore.attach(store.handle)
    const statuses = await Promise.all([store.append({ topic: 'orders' }), attached.append({ topic: 'orders' })])
    t.match(statuses, [{ status: 'FLUSH_DISK_TIMEOUT' }, { status: 'FLUSH_DISK_TIMEOUT' }], 'the timeout of the settings, in every thread')
    await attached.close()
  }
})

t.test('a store is held by one writer, and by readers beside it', async (t) => {
  const directory = await filled(t)
  const store = await openAt(t, directory)
  const second = await refusal(() => MessageStore.open(directory, { settings: small }))
  t.match(second, { code: 'STORE_LOCKED', path: directory })
  t.match(second.message, String(process.pid), 'it says who has it')
  const reader = await openAt(t, directory, { readOnly: true })
  t.equal((await bodiesOf(reader, 'orders')).length, 500)
  await store.close()
  const outcome = await Promise.allSettled([1, 2, 3].map(() => MessageStore.open(directory, { settings: small })))
  const opened = outcome.filter(({ status }) => status === 'fulfilled')
  t.equal(opened.length, 1, 'of three at once one gets it')
  for (const one of outcome) {
    if (one.status === 'fulfilled') await one.value.close()
    else t.equal(one.reason.code, 'STORE_LOCKED')
  }
})

t.test('file sizes are found from the files, and others than theirs are refused with the ones found', async (t) => {
  const directory = await filled(t)
  const found = await openAt(t, directory, { settings: {} })
  t.equal(found.commitLog.segmentBytes, 65536)
  t.same([found.index.slots, found.index.entries], [50, 200])
  t.equal((await bodiesOf(found, 'orders')).length, 500)
  await found.close()
  const other = await refusal(() => MessageStore.open(directory, { settings: { ...small, mappedFileSizeCommitLog: 131072 } }))
  t.match(other, { code: 'SEGMENT_SIZE_MISMATCH', foundBytes: 65536 })
  t.match(other.message, /65536/)
  const queues = await refusal(() => MessageStore.open(directory, { settings: { ...small, mappedFileSizeConsumeQueue: 600 } }))
  t.match(queues, { code: 'SEGMENT_SIZE_MISMATCH', foundBytes: 400 })
  const index = await refusal(() => MessageStore.open(directory, { settings: { ...small, maxIndexNum: 400 } }))
  t.match(index, { code: 'INDEX_SIZE_UNKNOWN' })
  t.equal((await bodiesOf(await openAt(t, directory), 'orders')).length, 500, 'none of it harmed the store')
})

t.test('an index of unknown sizes is never guessed; it is rebuilt on demand', async (t) => {
  const odd = { ...small, maxHashSlotNum: 30, maxIndexNum: 77 }
  const directory = await filled(t, odd)
  const error = await refusal(() => MessageStore.open(directory))
  t.match(error, { code: 'INDEX_SIZE_UNKNOWN', path: /index/ })
  t.match(error.message, /maxHashSlotNum/)
  const store = await openAt(t, directory, { settings: odd })
  t.equal(store.index.query('orders', 'k499').length > 0, true)
  await store.close()
  const rebuilt = await openAt(t, directory, { settings: small, rebuildIndex: true })
  t.equal(rebuilt.recovery.rebuiltIndexEntries, 500)
  for (const i of [0, 250, 499]) t.ok(rebuilt.index.query('orders', `k${i}`).length > 0, `k${i}`)
})

t.test('what does not belong into a store is named and left alone', async (t) => {
  const cases: [string, string, (directory: string) => Promise<unknown>][] = [
    ['a foreign file among the segments', 'FOREIGN_FILE', (d) => writeFile(join(d, 'commitlog', 'notes.txt'), 'x')],
    ['a folder among the segments', 'FOREIGN_FILE', (d) => mkdir(join(d, 'commitlog', '00000000000000065537'))],
    ['a missing segment in the middle', 'FOREIGN_FILE', (d) => rename(join(d, 'commitlog', '00000000000000065536'), join(d, 'elsewhere'))],
    ['a short segment', 'SEGMENT_SIZE_MISMATCH', (d) => truncate(join(d, 'commitlog', '00000000000000065536'), 5000)],
    [
      'a log that is a link',
      'UNSAFE_PATH',
      async (d) => {
        await rename(join(d, 'commitlog'), join(d, 'elsewhere'))
        await symlink(join(d, 'elsewhere'), join(d, 'commitlog'))
      },
    ],
    [
      'a segment that is a link',
      'UNSAFE_PATH',
      async (d) => {
        await rename(join(d, 'commitlog', '00000000000000065536'), join(d, 'elsewhere'))
        await symlink(join(d, 'elsewhere'), join(d, 'commitlog', '00000000000000065536'))
      },
    ],
    [
      'queues that are a link',
      'UNSAFE_PATH',
      async (d) => {
        await rename(join(d, 'consumequeue'), join(d, 'elsewhere'))
        await symlink(join(d, 'elsewhere'), join(d, 'consumequeue'))
      },
    ],
    [
      'a topic that is a link',
      'UNSAFE_PATH',
      async (d) => {
        await mkdir(join(d, 'elsewhere'))
        await symlink(join(d, 'elsewhere'), join(d, 'consumequeue', 'stolen'))
      },
    ],
    ['the log of a DLedger broker', 'DLEDGER_STORE', (d) => mkdir(join(d, 'dledger-n0'))],
  ]
  for (const [what, code, harm] of cases) {
    const original = await filled(t)
    const directory = newDirectory(t)
    await cp(original, directory, { recursive: true })
    await harm(directory)
    for (const options of [{}, { readOnly: true }]) {
      const error = await refusal(async () => (await MessageStore.open(directory, { settings: small, ...options })).close()).catch(
        (other) => other,
      )
      t.match(error, { code }, `${what} ${JSON.stringify(options)}: ${error}`)
    }
  }
})

t.test('opening for reading makes nothing and changes nothing', async (t) => {
  const nowhere = newDirectory(t)
  t.match(await refusal(() => MessageStore.open(nowhere, { readOnly: true })), { code: 'NO_STORE', path: nowhere })
  t.notOk(existsSync(nowhere))
  await mkdir(nowhere)
  t.equal((await refusal(() => MessageStore.open(nowhere, { readOnly: true }))).code, 'NO_STORE')
  t.same(await readdir(nowhere), [])
  const directory = await filled(t)
  const before = await contents(directory)
  const store = await openAt(t, directory, { readOnly: true })
  t.equal((await bodiesOf(store, 'orders')).length, 500)
  await store.close()
  t.strictSame(await contents(directory), before)
})

t.test('a path under a file, and a file in place of the directory, are errors of the system', async (t) => {
  const directory = newDirectory(t)
  await writeFile(directory, 'a file')
  for (const path of [directory, join(directory, 'below')]) {
    const error = await refusal(() => MessageStore.open(path)).catch((other) => other)
    t.match(error, { code: /IO_ERROR|UNSAFE_PATH|NO_STORE/, path: new RegExp(directory) }, `${error}`)
  }
})

t.test('abort stands while the store is open and goes with a proper close', async (t) => {
  const directory = newDirectory(t)
  const store = await openAt(t, directory)
  t.ok(existsSync(join(directory, 'abort')))
  await store.appendBatch(numbered(3))
  await store.close()
  t.notOk(existsSync(join(directory, 'abort')))
  t.ok(existsSync(join(directory, 'checkpoint')))
  const again = await openAt(t, directory)
  t.match(again.recovery, { cleanBefore: true, torn: undefined, rebuiltQueues: [], rebuiltIndexEntries: 0, removedLeftovers: [] })
})

t.test('the log may lie elsewhere, as storePathCommitLog says', async (t) => {
  const directory = newDirectory(t)
  const log = newDirectory(t)
  const settings = { ...small, storePathCommitLog: join(log, 'commitlog') }
  const store = await openAt(t, directory, { settings })
  await store.appendBatch(numbered(500))
  await store.close()
  t.notOk(existsSync(join(directory, 'commitlog')))
  t.ok((await readdir(join(log, 'commitlog'))).length > 0)
  t.equal((await bodiesOf(await openAt(t, directory, { settings }), 'orders')).length, 500)
})

t.test('appendRaw makes a replica, byte for byte, in pieces of any size', async (t) => {
  const directory = await filled(t)
  const source = await openAt(t, directory)
  const end = source.maxLogOffset
  const bytes = Buffer.concat(
    await Promise.all((await readdir(join(directory, 'commitlog'))).sort().map((name) => readFile(join(directory, 'commitlog', name)))),
  ).subarray(0, end)
  const replica = await openNew(t)
  const gap = await refusal(() => replica.appendRaw(100, bytes.subarray(100, 200)))
  t.match(gap, { code: 'APPEND_GAP', logOffset: 0 })
  for (let at = 0, step = 1; at < end; at += step, step = (step * 7) % 30_011)
    replica.appendRaw(at, bytes.subarray(at, Math.min(end, at + step)))
  t.equal(replica.maxLogOffset, end)
  t.match(await refusal(() => replica.appendRaw(0, bytes.subarray(0, 10))), { code: 'APPEND_GAP', logOffset: end })
  t.same(await bodiesOf(replica, 'orders'), await bodiesOf(source, 'orders'))
  t.same(replica.queues(), source.queues())
  t.same(replica.index.query('orders', 'k123'), source.index.query('orders', 'k123'))
  t.equal((await refusal(() => replica.appendRaw(end, 'text' as never))).code, 'INVALID_ARGUMENT')
  t.equal((await refusal(() => replica.appendRaw(-1, bytes))).code, 'INVALID_ARGUMENT')
})

/** Every file's bytes below a directory. */
async function contents(directory: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {}
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    files[path] = entry.isFile() ? (await readFile(path)).toString('base64') : 'folder'
  }
  return files
}

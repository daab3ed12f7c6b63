import { closeSync, openSync } from 'node:fs'
import t from 'tap'
import { MessageStore, TransferTarget } from '#src/index.js'
import { bodiesOf, collect, newDirectory, numbered, openAt, openNew, refusal, type TestOptions } from './stores.js'

t.setTimeout(60_000)

let backups = 0

function nowhere(): TransferTarget {
  const fd = openSync('/dev/null', 'w')
  const target = TransferTarget.ofDescriptor(fd)
  closeSync(fd)
  return target
}

const queue = { topic: 'orders', queueId: 0 }

/** Every public method, called as it should be. */
const writes: Record<string, (store: MessageStore) => unknown> = {
  append: (store) => store.append({ topic: 'orders' }),
  'append without waiting': (store) => store.append({ topic: 'orders' }, { wait: false }),
  appendSync: (store) => store.appendSync({ topic: 'orders' }),
  appendBatch: (store) => store.appendBatch([{ topic: 'orders' }]),
  appendBatchSync: (store) => store.appendBatchSync([{ topic: 'orders' }]),
  appendRaw: (store) => store.appendRaw(store.maxLogOffset, Buffer.alloc(0)),
  flush: (store) => store.flush(),
  cursor: (store) => store.cursor('c'),
  clean: (store) => store.clean(),
  deleteBelow: (store) => store.deleteBelow(0),
  deleteTopic: (store) => store.deleteTopic('orders'),
}
const reads: Record<string, (store: MessageStore) => unknown> = {
  pull: (store) => store.pull({ ...queue, offset: 0 }),
  pullRaw: (store) => store.pullRaw({ ...queue, offset: 0 }),
  pullRanges: (store) => store.pullRanges({ ...queue, offset: 0 }),
  messages: (store) => collect(store.messages(queue)),
  messageAt: (store) => store.messageAt(0),
  messageById: (store) => store.messageById('7F00000100002A9F0000000000000000'),
  messagesByKey: (store) => store.messagesByKey({ topic: 'orders', key: 'k0' }),
  offsetByTime: (store) => store.offsetByTime({ ...queue, time: 0 }),
  cursors: (store) => store.cursors(),
  backup: (store) => store.backup(`${store.directory}-backup-${backups++}`),
  timeSpan: (store) => store.timeSpan(queue),
  records: (store) => collect(store.records()),
  statistics: (store) => store.statistics(),
  transfer: (store) => store.transfer(nowhere(), { ranges: new Float64Array([0, 100]) }),
  topics: (store) => store.topics(),
  queues: (store) => store.queues(),
  bounds: (store) => store.bounds('orders', 0),
  consumeQueue: (store) => store.consumeQueue('orders', 0).unit(0),
  'commitLog.messageAt': (store) => store.commitLog.messageAt(0),
  'commitLog.records': (store) => collect(store.commitLog.records()),
  'index.query': (store) => store.index.query('orders', 'k0'),
}
/** What answers in every state. */
const facts: Record<string, (store: MessageStore) => unknown> = {
  state: (store) => store.state,
  directory: (store) => store.directory,
  readOnly: (store) => store.readOnly,
  recovery: (store) => store.recovery,
  handle: (store) => store.handle,
  minLogOffset: (store) => store.minLogOffset,
  maxLogOffset: (store) => store.maxLogOffset,
  flushedLogOffset: (store) => store.flushedLogOffset,
  'commitLog.statistics': (store) => store.commitLog.statistics,
  'commitLog.writtenOffset': (store) => store.commitLog.writtenOffset,
  'commitLog.confirmOffset': (store) => store.commitLog.confirmOffset,
}

/** The code that a call ends with, or 'fine'. */
async function end(work: () => unknown): Promise<string> {
  try {
    await work()
    return 'fine'
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}

async function ends(store: MessageStore, methods: Record<string, (store: MessageStore) => unknown>): Promise<Record<string, string>> {
  const names = Object.keys(methods)
  const codes = await Promise.all(names.map((name) => end(() => methods[name]?.(store))))
  return Object.fromEntries(names.map((name, i) => [name, codes[i] as string]))
}

const all = (methods: object, code: string) => Object.fromEntries(Object.keys(methods).map((name) => [name, code]))

async function filled(t: Parameters<typeof newDirectory>[0]): Promise<string> {
  const directory = newDirectory(t)
  const store = await openAt(t, directory)
  await store.appendBatch(numbered(3))
  await store.close()
  return directory
}

t.test('an open store answers everything', async (t) => {
  const store = await openAt(t, await filled(t))
  t.equal(store.state, 'open')
  t.equal(store.readOnly, false)
  t.same(await ends(store, writes), all(writes, 'fine'))
  t.same(await ends(store, reads), all(reads, 'fine'))
  t.same(await ends(store, facts), all(facts, 'fine'))
})

t.test('a store that is open for reading refuses to write and answers everything else', async (t) => {
  const store = await openAt(t, await filled(t), { readOnly: true })
  t.equal(store.state, 'open')
  t.equal(store.readOnly, true)
  t.same(await ends(store, writes), all(writes, 'STORE_READ_ONLY'))
  t.same(await ends(store, reads), all(reads, 'fine'))
  t.same(await ends(store, facts), all(facts, 'fine'))
  t.same(await bodiesOf(store, 'orders'), ['0', '1', '2'])
  await store.close()
  t.equal(store.state, 'closed')
  t.same(await ends(store, writes), all(writes, 'STORE_NOT_OPEN'))
})

t.test('a failed store refuses to write and can still be read', async (t) => {
  const options: TestOptions = { flush: 'sync', faults: 'sync_data:errno=5:path=/commitlog/:times=1' }
  const store = await openNew(t, options)
  await end(() => store.appendSync({ topic: 'orders', keys: 'k0' }))
  t.equal(store.state, 'failed')
  t.same(await ends(store, writes), all(writes, 'STORE_FAILED'))
  t.same(await ends(store, reads), all(reads, 'fine'))
  t.same(await ends(store, facts), all(facts, 'fine'))
  t.equal((await collect(store.records())).length, 1)
  t.equal((await refusal(() => store.close())).code, 'SYNC_FAILED', 'close says what failed')
  t.equal(store.state, 'closed')
})

t.test('a closing store refuses every call, and settles those that came before', async (t) => {
  const store = await openNew(t, { flush: 'sync' })
  await store.appendBatch(numbered(3))
  const before = [store.append({ topic: 'orders', body: 'before' }), store.appendBatch([{ topic: 'orders', body: 'too' }])]
  const pull = store.pull({ ...queue, offset: 0 })
  const closing = store.close()
  t.equal(store.state, 'closing')
  const { 'commitLog.messageAt': _, 'commitLog.records': __, 'index.query': ___, ...own } = reads
  const refused = [ends(store, writes), ends(store, own), ends(store, facts)]
  t.same(await refused[0], all(writes, 'STORE_NOT_OPEN'))
  t.same(await refused[1], all(own, 'STORE_NOT_OPEN'))
  t.same(await refused[2], all(facts, 'fine'))
  const [appended, batch] = await Promise.all(before)
  t.match(appended, { status: 'PUT_OK' })
  t.match(batch, [{ status: 'PUT_OK' }])
  t.ok((await pull).messages.length >= 3)
  await closing
  t.equal(store.state, 'closed')
})

t.test('a closed store refuses every call, as often as it is closed', async (t) => {
  const store = await openAt(t, await filled(t))
  const consumeQueue = store.consumeQueue('orders', 0)
  const iterator = store.messages(queue)
  const first = store.close()
  t.equal(store.close(), first, 'closing twice is one closing')
  await first
  await store.close()
  await store[Symbol.asyncDispose]()
  t.equal(store.state, 'closed')
  t.same(await ends(store, writes), all(writes, 'STORE_NOT_OPEN'))
  t.same(await ends(store, reads), all(reads, 'STORE_NOT_OPEN'))
  t.same(await ends(store, facts), all(facts, 'fine'))
  t.equal(await end(() => consumeQueue.unit(0)), 'STORE_NOT_OPEN')
  t.equal(await end(() => [...consumeQueue.units()]), 'STORE_NOT_OPEN')
  t.equal(await end(() => consumeQueue.maxOffset), 'STORE_NOT_OPEN')
  t.equal(await end(() => collect(iterator)), 'STORE_NOT_OPEN')
  t.equal((await refusal(() => MessageStore.attach(store.handle))).code, 'HANDLE_INVALID')
})

t.test('await using closes', async (t) => {
  const directory = newDirectory(t)
  const { settings } = { settings: { mappedFileSizeCommitLog: 65536 } }
  let left: MessageStore
  {
    await using store = await MessageStore.open(directory, { settings })
    await store.appendBatch(numbered(2))
    left = store
  }
  t.equal(left.state, 'closed')
  const again = await openAt(t, directory, { settings })
  t.equal(again.recovery.cleanBefore, true)
  t.same(await bodiesOf(again, 'orders'), ['0', '1'])
})

t.test('an iterator that is left alone in the middle does not keep the store from closing', async (t) => {
  const store = await openNew(t)
  await store.appendBatch(numbered(30))
  const iterator = store.messages({ ...queue, batch: 10 })
  t.equal((await iterator.next()).done, false)
  await store.close()
  const rest = await end(() => collect(iterator))
  t.equal(rest, 'STORE_NOT_OPEN', 'what it has fetched is delivered; then it says that the store is closed')
})

t.test('handles of something else are refused', async (t) => {
  for (const handle of [
    undefined,
    null,
    {},
    5,
    { millraceStore: 'x' },
    { millraceStore: 1e9, hostHex: '' },
    { millraceStore: -1, hostHex: '' },
    { millraceStore: 0.5, hostHex: '' },
  ])
    t.match(
      await refusal(() => MessageStore.attach(handle as never)),
      { code: /HANDLE_INVALID|INVALID_ARGUMENT/ },
      `${JSON.stringify(handle)}`,
    )
})

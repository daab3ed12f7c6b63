/** Parts that are open alone: what each method does before and after close, and what becomes of those that nobody closes. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Worker } from 'node:worker_threads'
import t, { type Test } from 'tap'
import { CommitLog, ConsumeQueue, IndexFile, IndexFiles } from '#src/index.js'
import { type Binding, binding } from '#src/native/binding.js'
import { collect, newDirectory, numbered, openAt, openNew, refusal, small } from './stores.js'

t.setTimeout(120_000)

type Any = (...args: unknown[]) => unknown
type Calls<P> = Record<string, (part: P) => unknown>

const logReads: Calls<CommitLog> = {
  minOffset: (log) => log.minOffset,
  maxOffset: (log) => log.maxOffset,
  writtenOffset: (log) => log.writtenOffset,
  flushedOffset: (log) => log.flushedOffset,
  confirmOffset: (log) => log.confirmOffset,
  'confirmOffset, set': (log) => (log.confirmOffset = 5),
  statistics: (log) => log.statistics,
  messageAt: (log) => log.messageAt(0),
  records: (log) => collect(log.records({ from: 0 })),
  range: (log) => log.range(0, 10),
  refresh: (log) => log.refresh(),
}
const logWrites: Calls<CommitLog> = {
  appendRaw: (log) => log.appendRaw(log.writtenOffset, Buffer.alloc(0)),
  flush: (log) => log.flush(),
}
const queueReads: Calls<ConsumeQueue> = {
  minOffset: (queue) => queue.minOffset,
  maxOffset: (queue) => queue.maxOffset,
  unit: (queue) => queue.unit(0),
  units: (queue) => [...queue.units(0)],
}
const queueWrites: Calls<ConsumeQueue> = {
  put: (queue) => queue.put({ logOffset: 0, size: 100, tagCode: 0n }),
  flush: (queue) => queue.flush(),
}
const indexReads: Calls<IndexFiles> = { query: (index) => index.query('orders', 'k1') }
const indexWrites: Calls<IndexFiles> = { put: (index) => index.put('orders', 'k', 0, 0), flush: (index) => index.flush() }
const fileReads: Calls<IndexFile> = {
  header: (file) => file.header,
  items: (file) => [...file.items()],
  query: (file) => file.query('orders', 'k1'),
}
const fileWrites: Calls<IndexFile> = { put: (file) => file.put('orders', 'k', 0, 0), flush: (file) => file.flush() }

async function codes<P>(part: P, calls: Calls<P>): Promise<Record<string, string>> {
  const ends: Record<string, string> = {}
  for (const [name, call] of Object.entries(calls)) {
    try {
      await call(part)
      ends[name] = 'fine'
    } catch (error) {
      ends[name] = (error as { code?: string }).code ?? String(error)
    }
  }
  return ends
}

const all = (calls: object, code: string) => Object.fromEntries(Object.keys(calls).map((name) => [name, code]))

async function filled(t: Test): Promise<string> {
  const directory = newDirectory(t)
  const store = await openAt(t, directory)
  await store.appendBatch(numbered(5))
  await store.close()
  return directory
}

const firstIndexFile = (directory: string) => join(directory, 'index', readdirSync(join(directory, 'index'))[0] ?? '')

/** Every call in every state: open to write, open for reading, closed. */
async function lives<P extends { close(): Promise<void>; [Symbol.asyncDispose](): Promise<void>; readonly readOnly: boolean }>(
  t: Test,
  open: (options: { readOnly?: boolean }) => Promise<P>,
  reads: Calls<P>,
  writes: Calls<P>,
): Promise<void> {
  for (const readOnly of [true, false]) {
    const part = await open({ readOnly })
    t.equal(part.readOnly, readOnly)
    t.same(await codes(part, reads), all(reads, 'fine'))
    t.same(await codes(part, writes), all(writes, readOnly ? 'STORE_READ_ONLY' : 'fine'))
    const closing = part.close()
    t.same(await codes(part, { ...reads, ...writes }), all({ ...reads, ...writes }, 'STORE_NOT_OPEN'), 'while it closes')
    t.equal(part.close(), closing, 'closing twice is one closing')
    await closing
    await part[Symbol.asyncDispose]()
    t.same(await codes(part, { ...reads, ...writes }), all({ ...reads, ...writes }, 'STORE_NOT_OPEN'))
  }
  t.equal(
    (await open({}).then((part) => part.close().then(() => part))).readOnly,
    true,
    'a part is for reading unless it is said otherwise',
  )
}

t.test('a log answers, refuses and closes', async (t) => {
  const directory = await filled(t)
  await lives(t, (options) => CommitLog.open(join(directory, 'commitlog'), options), logReads, logWrites)
})

t.test('a queue answers, refuses and closes', async (t) => {
  const directory = await filled(t)
  await lives(t, (options) => ConsumeQueue.open({ root: directory, topic: 'orders', queueId: 0 }, options), queueReads, queueWrites)
})

t.test('an index answers, refuses and closes', async (t) => {
  const directory = await filled(t)
  await lives(t, (options) => IndexFiles.open(join(directory, 'index'), options), indexReads, indexWrites)
})

t.test('an index file answers, refuses and closes', async (t) => {
  const path = firstIndexFile(await filled(t))
  await lives(t, (options) => IndexFile.open(path, options), fileReads, fileWrites)
})

t.test('the parts of an open store are for reading, and close with the store', async (t) => {
  const store = await openNew(t)
  await store.appendBatch(numbered(5))
  const { commitLog, index } = store
  const queue = store.consumeQueue('orders', 0)
  for (const part of [commitLog, index, queue]) {
    t.equal(part.readOnly, true)
    await part.close()
  }
  t.same(await codes(commitLog, logReads), all(logReads, 'fine'), 'their own close does nothing')
  t.same(await codes(queue, queueReads), all(queueReads, 'fine'))
  t.same(await codes(index, indexReads), all(indexReads, 'fine'))
  t.same(await codes(commitLog, logWrites), all(logWrites, 'STORE_READ_ONLY'))
  t.same(await codes(queue, queueWrites), all(queueWrites, 'STORE_READ_ONLY'))
  t.same(await codes(index, indexWrites), all(indexWrites, 'STORE_READ_ONLY'))
  await store.close()
  for (const name of ['messageAt', 'records', 'range', 'refresh']) t.equal((await codes(commitLog, logReads))[name], 'STORE_NOT_OPEN', name)
  t.same(await codes(queue, queueReads), all(queueReads, 'STORE_NOT_OPEN'))
  t.same(await codes(index, indexReads), all(indexReads, 'STORE_NOT_OPEN'))
})

t.test('after a sync that failed nothing is put any more, and everything can be read', async (t) => {
  const directory = await filled(t)
  const faults = 'sync_data:errno=5:after=1:path=/commitlog/'
  const log = await CommitLog.open(join(directory, 'commitlog'), { readOnly: false, faults } as never)
  log.appendRaw(log.writtenOffset, Buffer.from([0, 0, 0, 91]))
  t.match(await refusal(() => log.flush()), { code: 'SYNC_FAILED', errno: 5 })
  t.same(await codes(log, logWrites), all(logWrites, 'STORE_FAILED'))
  t.same(await codes(log, logReads), all(logReads, 'fine'))
  await log.close()

  const queue = await ConsumeQueue.open({ root: directory, topic: 'orders', queueId: 0 }, {
    readOnly: false,
    faults: 'sync_data:errno=5:path=/consumequeue/',
  } as never)
  queue.put({ logOffset: 0, size: 100, tagCode: 0n })
  t.match(await refusal(() => queue.close()), { errno: 5 }, 'close says what failed')
})

t.test('a read that is under way when its part closes is answered', async (t) => {
  const directory = await filled(t)
  const log = await CommitLog.open(join(directory, 'commitlog'))
  const reads = Array.from({ length: 20 }, () => log.messageAt(0))
  await log.close()
  for (const read of reads) t.equal((await read)?.body.toString(), '0')
})

t.test('a part of a worker that is terminated gives its lock back', async (t) => {
  const directory = await filled(t)
  const parts = import.meta.resolve('#src/index.js')
  const code = `
    const { parentPort } = require('node:worker_threads')
    import(${JSON.stringify(parts)}).then(async ({ CommitLog, ConsumeQueue }) => {
      globalThis.kept = [
        await CommitLog.open(${JSON.stringify(join(directory, 'commitlog'))}, { readOnly: false }),
        await ConsumeQueue.open({ root: ${JSON.stringify(directory)}, topic: 'orders', queueId: 0 }, { readOnly: false }),
      ]
      kept[1].put({ logOffset: 0, size: 100, tagCode: 9n })
      parentPort.postMessage('open')
      setInterval(() => {}, 1000)
    })`
  const worker = new Worker(code, { eval: true })
  await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
  t.equal((await refusal(() => CommitLog.open(join(directory, 'commitlog'), { readOnly: false }))).code, 'STORE_LOCKED')
  await worker.terminate()
  await using log = await CommitLog.open(join(directory, 'commitlog'), { readOnly: false })
  t.equal(log.readOnly, false)
  await using queue = await ConsumeQueue.open({ root: directory, topic: 'orders', queueId: 0 })
  t.equal(queue.unit(5)?.tagCode, 9n, 'and what was put is in its file')
})

t.test('methods and functions know what they are called on', async (t) => {
  const directory = await filled(t)
  await using log = await CommitLog.open(join(directory, 'commitlog'))
  for (const name of ['messageAt', 'records', 'range', 'appendRaw', 'flush', 'close'] as const)
    for (const self of [undefined, {}, Object.create(log), new Proxy(log, {})]) {
      const call = async () => {
        const value = await (CommitLog.prototype[name] as Any).call(
          self,
          name === 'records' ? { from: 0 } : 0,
          name === 'range' ? 1 : Buffer.alloc(1),
        )
        if (name === 'records') await (value as AsyncIterator<unknown>).next()
      }
      await t.rejects(call, TypeError, name)
    }
  t.throws(() => Reflect.construct(ConsumeQueue, ['orders', 0, {}]).maxOffset, TypeError)

  const options = (path: string) => ({ path, work: `${path}.work`, readOnly: true })
  const natives = [
    await binding.openLog(options(join(directory, 'commitlog'))),
    await binding.openQueue({
      ...options(join(directory, 'consumequeue', 'orders', '0')),
      queues: join(directory, 'consumequeue'),
      topic: 'orders',
      queueId: 0,
    }),
    await binding.openIndex(options(join(directory, 'index'))),
    await binding.openIndexFile(options(firstIndexFile(directory))),
  ] as const
  const own: Record<string, readonly number[]> = {
    logSegmentBytes: [0],
    logNumbers: [0],
    setLogConfirmOffset: [0],
    logRecordAt: [0],
    readLog: [0],
    readRange: [0],
    appendRawToLog: [0],
    refreshLog: [0],
    queueBounds: [1],
    queueUnits: [1],
    putUnit: [1],
    indexSizes: [2, 3],
    findKey: [2, 3],
    putKey: [2, 3],
    readIndexEntries: [3],
  }
  const odd = [undefined, null, 0, -1, 2 ** 53, Number.NaN, 'x', {}, [], 5n, Symbol('s'), Buffer.alloc(3), new Float64Array(2)]
  for (const [name, mine] of Object.entries(own)) {
    const method = (binding as Binding & Record<string, Any>)[name] as Any
    for (const [i, part] of [...natives, undefined, 5, {}, new Proxy(natives[0], {}), Object.create(natives[0])].entries()) {
      if (mine.includes(i)) continue
      t.equal((await refusal(() => method(part, 0, 0, 0))).code, 'INVALID_ARGUMENT', `${name} of ${i}`)
    }
    for (const i of mine)
      for (const first of odd)
        for (const second of odd)
          try {
            await method(natives[i], first, second, first, second, first)
          } catch (error) {
            t.ok(error instanceof Error)
          }
  }
  for (const part of natives) {
    await binding.closePart(part)
    await binding.closePart(part)
    t.equal((await refusal(() => binding.flushPart(part))).code, 'STORE_NOT_OPEN')
  }
  for (const value of odd) t.equal((await refusal(() => binding.closePart(value as never))).code, 'INVALID_ARGUMENT')
})

t.test('a part that nobody holds any more gives its lock back when it is collected', async (t) => {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  const directory = newDirectory(t)
  const place = join(directory, 'commitlog')
  const options = { readOnly: false, segmentBytes: small.mappedFileSizeCommitLog }
  await CommitLog.open(place, options)
  t.ok(existsSync(join(directory, 'lock')))
  const again = async (): Promise<CommitLog | undefined> => CommitLog.open(place, options).catch(() => undefined)
  let log: CommitLog | undefined
  for (let i = 0; i < 50 && log === undefined; i++) {
    collectGarbage()
    await turn()
    log = await again()
  }
  t.equal(log?.maxOffset, 0)
  await log?.close()
})

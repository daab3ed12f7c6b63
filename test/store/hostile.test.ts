/** Directories that somebody has made to do harm: each ends in a coded error or in a store that answers, soon and in little memory. */
import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { MessageStore, StoreError, verifyStore } from '#src/index.js'
import { encodeUnit } from '../support/layouts.js'
import { collect, newDirectory, numbered, openAt, small } from './stores.js'

t.setTimeout(300_000)

const name20 = (number: bigint | number) => String(number).padStart(20, '0')
const [LOG, QUEUES, INDEX] = ['commitlog', 'consumequeue', 'index']

/** Overwrites bytes of the first file of a folder. */
function patch(folder: string, change: (bytes: Buffer) => void): void {
  const path = join(folder, readdirSync(folder).sort()[0] as string)
  const bytes = readFileSync(path)
  change(bytes)
  writeFileSync(path, bytes)
}

function fifo(path: string): void {
  rmSync(path, { recursive: true, force: true })
  execFileSync('mkfifo', [path])
}

function sparse(path: string, bytes: number): void {
  closeSync(openSync(path, 'a'))
  truncateSync(path, bytes)
}

const queue = (d: string) => join(d, QUEUES, 'orders', '0')
const entryAt = (number: number) => 40 + 4 * small.maxHashSlotNum + 20 * number

const harms: Record<string, (directory: string) => void> = {
  'index chains that lead back to themselves': (d) =>
    patch(join(d, INDEX), (bytes) => {
      for (let number = 1; number < 100; number++) bytes.writeInt32BE((number % 7) + 1, entryAt(number) + 16)
    }),
  'index chains that lead to one another': (d) =>
    patch(join(d, INDEX), (bytes) => {
      for (let number = 1; number < 100; number++) bytes.writeInt32BE(number ^ 1, entryAt(number) + 16)
    }),
  'index slots and counts out of all bounds': (d) =>
    patch(join(d, INDEX), (bytes) => {
      bytes.fill(0x7f, 32, 40 + 4 * small.maxHashSlotNum)
    }),
  'an index file of nothing but ones': (d) => patch(join(d, INDEX), (bytes) => bytes.fill(0xff)),
  'units that point out of the log, below zero, and to records of no length': (d) =>
    patch(queue(d), (bytes) => {
      const bad = [
        { logOffset: -1, size: 100 },
        { logOffset: Number.MAX_SAFE_INTEGER, size: 100 },
        { logOffset: 0, size: -5 },
        { logOffset: 0, size: 0x7fffffff },
        { logOffset: 17, size: 100 },
        { logOffset: 0, size: 0 },
      ]
      for (const [i, unit] of bad.entries()) bytes.set(encodeUnit({ ...unit, tagCode: -(2n ** 63n) }), 20 * i)
    }),
  'a queue of nothing but ones': (d) => patch(queue(d), (bytes) => bytes.fill(0xff)),
  'queue numbers that are none': (d) => {
    for (const name of ['-1', '00', '2147483648', '1e3', ' 1', '１', 'x'.repeat(255), '99999999999999999999'])
      mkdirSync(join(d, QUEUES, 'orders', name))
  },
  'topics that no topic may be named': (d) => {
    for (const name of ['.hidden', 'a b', 'line\nbreak', 'ü', 'x'.repeat(255), '..x', '%2e%2e'])
      mkdirSync(join(d, QUEUES, name, '0'), { recursive: true })
    mkdirSync(Buffer.from(`${join(d, QUEUES)}/\xff\xfe`, 'latin1'))
  },
  'folders within folders': (d) => mkdirSync(join(queue(d), ...new Array(200).fill('deep')), { recursive: true }),
  'queue files beyond every number': (d) => {
    for (const name of ['99999999999999999999', name20(2n ** 63n - 1n), name20(2n ** 62n), name20(401)]) sparse(join(queue(d), name), 400)
  },
  'a queue file of a terabyte without blocks': (d) => sparse(join(queue(d), name20(0)), 2 ** 40),
  'a segment of a terabyte without blocks': (d) => sparse(join(d, LOG, name20(0)), 2 ** 40),
  'an index file of a terabyte without blocks': (d) => sparse(join(d, INDEX, readdirSync(join(d, INDEX))[0] as string), 2 ** 40),
  'segments beyond every number': (d) => sparse(join(d, LOG, '99999999999999999999'), 65536),
  'a segment at the end of the numbers': (d) => {
    for (const name of readdirSync(join(d, LOG))) rmSync(join(d, LOG, name))
    sparse(join(d, LOG, name20(2n ** 63n - 65536n)), 65536)
  },
  'pipes for queues': (d) => fifo(join(queue(d), name20(0))),
  'pipes for segments': (d) => fifo(join(d, LOG, name20(0))),
  'pipes for the index': (d) => fifo(join(d, INDEX, '20260101000000000')),
  'a pipe for the checkpoint': (d) => fifo(join(d, 'checkpoint')),
  'a pipe for the lock': (d) => fifo(join(d, 'lock')),
  'a pipe for abort': (d) => fifo(join(d, 'abort')),
  "pipes for the store's own files": (d) => {
    for (const name of readdirSync(join(d, 'millrace'))) fifo(join(d, 'millrace', name))
  },
  "ones for the store's own files": (d) => {
    for (const { name } of readdirSync(join(d, 'millrace'), { withFileTypes: true }).filter((entry) => entry.isFile()))
      writeFileSync(join(d, 'millrace', name), Buffer.alloc(100_000, 0xff))
  },
  'a checkpoint of nothing but ones': (d) => writeFileSync(join(d, 'checkpoint'), Buffer.alloc(4096, 0xff)),
  'links that lead to themselves': (d) => {
    symlinkSync('loop', join(d, 'loop'))
    symlinkSync('..', join(d, 'millrace', 'up'))
    symlinkSync('loop', join(d, INDEX, 'loop'))
  },
  'thousands of tiny files': (d) => {
    for (let i = 0; i < 5_000; i++) {
      writeFileSync(join(queue(d), `tiny-${i}`), '')
      writeFileSync(join(d, QUEUES, 'orders', `tiny-${i}`), '')
      writeFileSync(join(d, INDEX, `tiny-${i}`), '')
    }
  },
  'thousands of empty queues': (d) => {
    for (let i = 0; i < 10_000; i++) mkdirSync(join(d, QUEUES, `topic-${i % 100}`, `${i}`), { recursive: true })
  },
}

let original: string

t.before(async () => {
  original = t.testdir({})
  const store = await MessageStore.open(join(original, 'store'), { settings: small })
  await store.appendBatch(numbered(500).map((message, i) => ({ ...message, queueId: i % 2, tags: 'paid' })))
  await store.close()
})

/** Asks for everything; what it gets must be right or refused. */
async function askAll(t: Test, store: MessageStore): Promise<void> {
  for (const { topic, queueId, minOffset, maxOffset } of store.queues()) {
    let offset = minOffset
    for (let pulls = 0; offset < maxOffset && pulls < 1000; pulls++) {
      const { messages, nextOffset } = await store.pull({ topic, queueId, offset, tags: pulls % 2 ? 'paid' : '*' })
      for (const message of messages) t.equal(message.body.toString(), message.keys[0]?.slice(1), 'a whole message')
      if (nextOffset <= offset) break
      offset = nextOffset
    }
  }
  for (const key of ['k0', 'k1', 'k499']) {
    store.index.query('orders', key, { limit: 1000 })
    for (const message of await store.messagesByKey({ topic: 'orders', key, limit: 1000 })) t.same(message.keys, [key])
  }
  await store.offsetByTime({ topic: 'orders', queueId: 0, time: Date.now() }).catch(coded)
  await collect(store.records()).catch(coded)
}

function coded(error: unknown): string {
  if (error instanceof StoreError && error.code !== 'UNKNOWN_ERROR') return error.code
  throw error
}

for (const [what, harm] of Object.entries(harms)) {
  t.test(what, async (t) => {
    const directory = newDirectory(t)
    await cp(join(original, 'store'), directory, { recursive: true, verbatimSymlinks: true })
    harm(directory)
    const started = process.hrtime.bigint()
    const memory = process.memoryUsage.rss()
    const ends: string[] = []
    const found = await verifyStore(directory, { settings: small }).then(({ findings }) => findings.length, coded)
    ends.push(typeof found === 'number' ? `${found} findings` : found)
    for (const options of [{ readOnly: true }, {}, { rebuildIndex: true }]) {
      const onDamage = () => {}
      const store = await openAt(t, directory, { ...options, onDamage }).catch((error) => void ends.push(coded(error)))
      if (store === undefined) continue
      ends.push('opens')
      await askAll(t, store)
      await store.close().catch(coded)
    }
    t.comment(ends.join(', '))
    if (ends.includes('FOREIGN_FILE')) t.ok(found !== 0, 'what an opening refuses a check finds')
    t.ok(Number(process.hrtime.bigint() - started) / 1e9 < 60, 'soon')
    t.ok(process.memoryUsage.rss() - memory < 300 * 2 ** 20, 'in little memory')
  })
}

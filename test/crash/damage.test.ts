/** Damaged files: torn tails are cut and reported, damage to what was durable refuses to open, queues and index are made anew. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { cp, mkdir, open, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { type AppendResult, MessageStore } from '#src/index.js'
import { bodyOf, collect, newDirectory, openAt, refusal } from '../store/stores.js'
import { Random, rounds, seed } from '../support/random.js'

t.comment(`MILLRACE_SEED=${seed} MILLRACE_ROUNDS=${rounds}`)

const random = new Random(seed)
const SEGMENT = 32768
const settings = {
  ...{ mappedFileSizeCommitLog: SEGMENT, mappedFileSizeConsumeQueue: 400, maxHashSlotNum: 20, maxIndexNum: 80, maxMessageSize: 8192 },
  // Nothing is flushed but by flush().
  ...{ flushIntervalCommitLog: 3_600_000, flushCommitLogThoroughInterval: 3_600_000 },
}

interface Crashed {
  directory: string
  results: AppendResult[]
  /** The first message that was not known to be on disk. */
  durable: number
}

const message = (i: number) => ({ topic: `t${i % 3}`, queueId: 0, keys: `k${i}`, body: `${i}`.padEnd(180 + (i % 7) * 30, '.') })
const DURABLE = 500
const AFTER = 20

/**
 * A directory as a crash leaves it: 500 messages that were flushed, 20 in the page cache alone. With `closed`, all of them and closed properly.
 * Both are made once and copied.
 */
async function crashed(t: Test, closed = false): Promise<Crashed> {
  images ??= makeImages()
  const { directories, results } = await images
  const directory = newDirectory(t)
  await cp(directories[closed ? 'closed' : 'crashed'], directory, { recursive: true })
  return { directory, results, durable: closed ? DURABLE + AFTER : DURABLE }
}

let images: ReturnType<typeof makeImages> | undefined
async function makeImages() {
  const live = newDirectory(t)
  const directories = { closed: live, crashed: newDirectory(t) }
  const store = await MessageStore.open(live, { settings })
  const results = await store.appendBatch(Array.from({ length: DURABLE }, (_, i) => message(i)))
  // The store makes everything durable by itself, a second after a segment is full: the last messages come after that.
  await sleep(2500)
  await store.flush()
  results.push(...(await store.appendBatch(Array.from({ length: AFTER }, (_, i) => message(DURABLE + i)))))
  await cp(live, directories.crashed, { recursive: true })
  await store.close()
  return { directories, results }
}

const segmentOf = (directory: string, logOffset: number): string =>
  join(directory, 'commitlog', String(Math.floor(logOffset / SEGMENT) * SEGMENT).padStart(20, '0'))

async function write(path: string, at: number, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'r+')
  await file.write(bytes, 0, bytes.length, at)
  await file.close()
}

async function flip(path: string, at: number): Promise<void> {
  const file = await open(path, 'r+')
  const byte = Buffer.alloc(1)
  await file.read(byte, 0, 1, at)
  byte[0] = (byte[0] as number) ^ (1 << random.int(8))
  await file.write(byte, 0, 1, at)
  await file.close()
}

/** All files below a directory with their bytes. */
function contents(directory: string): Map<string, string> {
  const files = new Map<string, string>()
  for (const name of (readdirSync(directory, { recursive: true }) as string[]).sort()) {
    try {
      files.set(name, readFileSync(join(directory, name)).toString('base64'))
    } catch {
      files.set(name, 'folder')
    }
  }
  return files
}

function changed(before: Map<string, string>, directory: string): string[] {
  const after = contents(directory)
  return [...new Set([...before.keys(), ...after.keys()])].filter((name) => before.get(name) !== after.get(name))
}

/** The store holds exactly the first `count` messages, in the log, in queues and in the index, goes on, and opens clean with it. */
async function holds(t: Test, store: MessageStore, count: number, what: string): Promise<void> {
  const wrong: string[] = []
  const bodies = (await collect(store.records())).map((record) => Number(bodyOf(record).replace(/\.*$/, '')))
  if (bodies.length !== count || bodies.some((body, i) => body !== i)) wrong.push(`the log has ${bodies.length} of ${count}`)
  for (let topic = 0; topic < 3; topic++) {
    const queue = (await collect(store.messages({ topic: `t${topic}`, queueId: 0 }))).map((one) => [
      one.queueOffset,
      Number(bodyOf(one).replace(/\.*$/, '')),
    ])
    const expected = Array.from({ length: Math.ceil((count - topic) / 3) }, (_, i) => [i, 3 * i + topic])
    const { minOffset, maxOffset } = store.bounds(`t${topic}`, 0)
    if (minOffset !== 0 || maxOffset !== expected.length)
      wrong.push(`queue t${topic} says ${minOffset} to ${maxOffset} of ${expected.length}`)
    const at = expected.findIndex((row, i) => JSON.stringify(row) !== JSON.stringify(queue[i]))
    if (at >= 0 || queue.length !== expected.length)
      wrong.push(`queue t${topic} has ${queue.length} of ${expected.length}, [${queue[at]}] in place of [${expected[at]}]`)
  }
  for (let i = 0; i < count; i++) {
    const offsets = store.index.query(`t${i % 3}`, `k${i}`)
    const found = await Promise.all(offsets.map((logOffset) => store.messageAt(logOffset)))
    if (found.filter((one) => one?.keys[0] === `k${i}`).length !== 1) wrong.push(`key k${i} is found ${offsets.length} times`)
  }
  t.same(wrong, [], what)
}

async function holdsAndGoesOn(t: Test, directory: string, store: MessageStore, count: number, what: string): Promise<void> {
  await holds(t, store, count, what)
  await store.appendBatch(Array.from({ length: 40 }, (_, i) => message(count + i)))
  await store.close()
  const again = await openAt(t, directory, { settings })
  t.match(again.recovery, { cleanBefore: true, torn: undefined, rebuiltQueues: [] }, `${what}: clean afterwards`)
  await holds(t, again, count + 40, `${what}: and goes on`)
  await again.close()
}

t.test('an undamaged crash loses nothing, flushed or not', async (t) => {
  const { directory, results } = await crashed(t)
  const store = await openAt(t, directory, { settings })
  t.match(store.recovery, { cleanBefore: false, torn: undefined })
  await holdsAndGoesOn(t, directory, store, results.length, 'all')
})

t.test('a torn tail is cut where it begins, and reported', async (t) => {
  const cases: [string, (path: string, at: number, size: number) => Promise<unknown>][] = [
    ['the record keeps its first 30 bytes', (path, at, size) => write(path, at + 30, Buffer.alloc(size - 30))],
    ['the record keeps its size alone', (path, at, size) => write(path, at + 4, Buffer.alloc(size - 4))],
    ['the record ends in its body', (path, at, size) => write(path, at + 120, Buffer.alloc(size - 120))],
    ['a bit is flipped in its body', (path, at) => flip(path, at + 100)],
    ['its magic is another', (path, at) => write(path, at + 4, Buffer.from('0badf00d', 'hex'))],
    ['its size is enormous', (path, at) => write(path, at, Buffer.from('7fffffff', 'hex'))],
    ['its size is negative', (path, at) => write(path, at, Buffer.from('ffffffff', 'hex'))],
    ['its log offset is another', (path, at) => flip(path, at + 30)],
  ]
  for (const [what, harm] of cases) {
    for (const from of [DURABLE + random.int(AFTER - 1), DURABLE + AFTER - 1]) {
      const { directory, results } = await crashed(t)
      const { logOffset, size } = results[from] as AppendResult
      await harm(segmentOf(directory, logOffset), logOffset % SEGMENT, size)
      const store = await openAt(t, directory, { settings })
      t.match(
        store.recovery,
        { cleanBefore: false, torn: { logOffset, segment: segmentOf(directory, logOffset), reason: /./ } },
        `${what}, message ${from}`,
      )
      t.ok((store.recovery.torn?.bytes ?? 0) > 0)
      await holdsAndGoesOn(t, directory, store, from, `${what}, message ${from}`)
    }
  }
})

t.test('bytes behind the end are cut, whatever they are', async (t) => {
  for (const garbage of [Buffer.from([1]), random.bytes(700), Buffer.alloc(300, 0xff), Buffer.from('0000000c', 'hex')]) {
    const { directory, results } = await crashed(t)
    const { logOffset, size } = results.at(-1) as AppendResult
    const end = logOffset + size
    await write(segmentOf(directory, end), end % SEGMENT, garbage)
    const store = await openAt(t, directory, { settings })
    t.match(store.recovery.torn, { logOffset: end }, `${garbage.length} bytes`)
    await holdsAndGoesOn(t, directory, store, results.length, `${garbage.length} bytes of garbage`)
  }
})

t.test('the last message torn over the end of a segment, and a segment that holds nothing good', async (t) => {
  const { directory, results } = await crashed(t)
  // Everything of the last segment that is not durable, if it begins one; otherwise a whole new segment of garbage.
  const end = Math.ceil((results.at(-1) as AppendResult).logOffset / SEGMENT) * SEGMENT
  if (!existsSync(segmentOf(directory, end))) await writeFile(segmentOf(directory, end), random.bytes(SEGMENT))
  else await write(segmentOf(directory, end), 0, random.bytes(SEGMENT))
  const store = await openAt(t, directory, { settings })
  t.ok(store.recovery.torn !== undefined)
  await holdsAndGoesOn(t, directory, store, results.length, 'a segment of garbage')
})

t.test('damage before the durable position refuses to open and changes no byte; readOnly and cut are the ways on', async (t) => {
  for (let round = 0; round < 3 * rounds; round++) {
    for (const closed of [false, true]) {
      const { directory, results, durable } = await crashed(t, closed)
      const last = Math.floor((results[durable - 1] as AppendResult).logOffset / SEGMENT)
      const candidates = results
        .map((_, i) => i)
        .filter((i) => i < durable && Math.floor((results[i] as AppendResult).logOffset / SEGMENT) === last)
      const victim = random.pick(candidates)
      const { logOffset, size } = results[victim] as AppendResult
      const segment = segmentOf(directory, logOffset)
      // Size, magic, body CRC, log offset or body; not every other field is covered by a checksum in this format.
      const at = random.pick([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 28, 29, 30, 31, 32, 33, 34, 35, 100, 150])
      await flip(segment, (logOffset % SEGMENT) + at)
      const what = `message ${victim} of ${durable}, byte ${at} of ${size}, ${closed ? 'closed' : 'crashed'}`
      const before = contents(directory)
      const error = await refusal(async () => (await MessageStore.open(directory, { settings })).close()).catch((other) => other)
      t.match(error, { code: 'CORRUPT_LOG', logOffset, path: segment }, what)
      t.match(error?.message ?? '', /onCorruption/, 'the error says the ways on')
      t.same(
        changed(before, directory).filter((name) => name !== 'lock'),
        [],
        'not a byte has changed',
      )

      const readOnly = await openAt(t, directory, { settings, onCorruption: 'readOnly' })
      t.equal(readOnly.readOnly, true)
      t.equal((await collect(readOnly.records())).length, victim, 'what is before the damage can be read')
      t.equal((await refusal(() => readOnly.append(message(0)))).code, 'STORE_READ_ONLY')
      await readOnly.close()
      t.same(
        changed(before, directory).filter((name) => name !== 'lock'),
        [],
        'not a byte has changed by reading',
      )

      const cut = await openAt(t, directory, { settings, onCorruption: 'cut' })
      t.match(cut.recovery.torn, { logOffset, segment }, 'the cut is reported')
      await holdsAndGoesOn(t, directory, cut, victim, `cut at ${what}`)
    }
  }
})

t.test('a log that has lost durable segments refuses to open', async (t) => {
  for (const count of [1, 2, 99]) {
    const { directory } = await crashed(t, true)
    const names = (await readdir(join(directory, 'commitlog'))).sort()
    for (const name of names.slice(Math.max(0, names.length - count - 1))) await rm(join(directory, 'commitlog', name))
    const before = contents(directory)
    const error = await refusal(async () => (await MessageStore.open(directory, { settings })).close()).catch((other) => other)
    t.equal(error?.code, 'CORRUPT_LOG', `without the last ${count}: ${error}`)
    t.same(
      changed(before, directory).filter((name) => name !== 'lock'),
      [],
    )
  }
})

/** What may happen to queues and index; none of it may cost a message. */
const harms: [string, (directory: string) => Promise<unknown>][] = [
  ['no queues at all', (d) => rm(join(d, 'consumequeue'), { recursive: true })],
  ['a topic is missing', (d) => rm(join(d, 'consumequeue', 't1'), { recursive: true })],
  ['a queue is missing', (d) => rm(join(d, 'consumequeue', 't1', '0'), { recursive: true })],
  ['the first file of a queue is missing', (d) => rm(join(d, 'consumequeue', 't1', '0', '00000000000000000000'))],
  ['the last file of a queue is missing', async (d) => rm(join(d, 'consumequeue', 't1', '0', (await files(d)).at(-1) as string))],
  ['a file in the middle of a queue is missing', async (d) => rm(join(d, 'consumequeue', 't1', '0', (await files(d))[3] as string))],
  ['a queue file is short', async (d) => truncate(join(d, 'consumequeue', 't1', '0', (await files(d))[2] as string), 100)],
  ['a queue file is empty', async (d) => truncate(join(d, 'consumequeue', 't1', '0', (await files(d)).at(-1) as string), 0)],
  ['a queue file is long', async (d) => truncate(join(d, 'consumequeue', 't1', '0', (await files(d)).at(-1) as string), 800)],
  [
    'the last file of a queue is zeros',
    async (d) => write(join(d, 'consumequeue', 't1', '0', (await files(d)).at(-1) as string), 0, Buffer.alloc(400)),
  ],
  [
    'the last file of a queue is garbage',
    async (d) => write(join(d, 'consumequeue', 't1', '0', (await files(d)).at(-1) as string), 0, random.bytes(400)),
  ],
  [
    'every queue file is zeros',
    async (d) => Promise.all((await files(d)).map((name) => write(join(d, 'consumequeue', 't1', '0', name), 0, Buffer.alloc(400)))),
  ],
  ['no index', (d) => rm(join(d, 'index'), { recursive: true })],
  ['the last index file is missing', async (d) => rm(join(d, 'index', (await readdir(join(d, 'index'))).sort().at(-1) as string))],
  ['the first index file is missing', async (d) => rm(join(d, 'index', (await readdir(join(d, 'index'))).sort()[0] as string))],
  ['all index files are missing', async (d) => Promise.all((await readdir(join(d, 'index'))).map((name) => rm(join(d, 'index', name))))],
  ['no checkpoint', (d) => rm(join(d, 'checkpoint'))],
  ['the checkpoint is zeros', (d) => write(join(d, 'checkpoint'), 0, Buffer.alloc(4096))],
  ['no folder of millrace', (d) => rm(join(d, 'millrace'), { recursive: true })],
  ['no position', (d) => rm(join(d, 'millrace', 'position'))],
  ['a position of zeros', async (d) => write(join(d, 'millrace', 'position'), 0, Buffer.alloc(64))],
  ['a position of garbage', async (d) => writeFile(join(d, 'millrace', 'position'), random.bytes(8192))],
  ['an empty position', (d) => truncate(join(d, 'millrace', 'position'), 0)],
  [
    'no table of queues',
    async (d) =>
      Promise.all((await readdir(join(d, 'millrace'))).filter((name) => name !== 'position').map((name) => rm(join(d, 'millrace', name)))),
  ],
  [
    'a table of queues that is garbage',
    async (d) =>
      Promise.all(
        (await readdir(join(d, 'millrace')))
          .filter((name) => name !== 'position')
          .map((name) => write(join(d, 'millrace', name), 0, random.bytes(50))),
      ),
  ],
  [
    'nothing but the log',
    async (d) =>
      Promise.all((await readdir(d)).filter((name) => name !== 'commitlog').map((name) => rm(join(d, name), { recursive: true }))),
  ],
]
const files = async (directory: string): Promise<string[]> => (await readdir(join(directory, 'consumequeue', 't1', '0'))).sort()

for (const closed of [true, false]) {
  t.test(
    `queues, index and notes that are missing, short or wrong at their ends are made anew, ${closed ? 'closed' : 'crashed'}`,
    async (t) => {
      for (const [what, harm] of harms) {
        const { directory, results } = await crashed(t, closed)
        await harm(directory)
        const store = await MessageStore.open(directory, { settings }).catch((error) => error)
        if (!(store instanceof MessageStore)) {
          t.fail(`${what}: ${store}`)
          continue
        }
        await holdsAndGoesOn(t, directory, store, results.length, what)
      }
    },
  )
}

t.test('a rebuilt queue and a rebuilt index are reported', async (t) => {
  const { directory, results } = await crashed(t, true)
  await rm(join(directory, 'consumequeue', 't2'), { recursive: true })
  await rm(join(directory, 'index'), { recursive: true })
  const store = await openAt(t, directory, { settings })
  t.match(store.recovery, {
    cleanBefore: true,
    rebuiltQueues: [{ topic: 't2', queueId: 0, reason: /./ }],
    rebuiltIndexEntries: results.length,
  })
  t.equal(store.recovery.rebuiltQueues.length, 1)
})

t.test('rebuildIndex makes the index anew whatever it is', async (t) => {
  const { directory, results } = await crashed(t, true)
  for (const name of await readdir(join(directory, 'index'))) await truncate(join(directory, 'index', name), 77)
  const error = await refusal(() => MessageStore.open(directory, { settings }))
  t.equal(error.code, 'INDEX_SIZE_UNKNOWN')
  const store = await openAt(t, directory, { settings, rebuildIndex: true })
  t.equal(store.recovery.rebuiltIndexEntries, results.length)
  await holdsAndGoesOn(t, directory, store, results.length, 'rebuilt')
})

t.test('what a crash left in the folder of births is removed', async (t) => {
  const { directory, results } = await crashed(t)
  const left = ['segment-7', 'index-20200101000000000', 'queue-file-3'].map((name) => join(directory, 'millrace', name))
  for (const path of left) await writeFile(path, random.bytes(1000))
  await mkdir(join(directory, 'millrace'), { recursive: true })
  const store = await openAt(t, directory, { settings })
  for (const path of left) {
    t.ok(store.recovery.removedLeftovers.includes(path), path)
    t.notOk(existsSync(path))
  }
  await holdsAndGoesOn(t, directory, store, results.length, 'all')
  t.same(
    (await readdir(join(directory, 'millrace'))).filter((name) => /segment|index|file-/.test(name)),
    [],
    'and a close leaves nothing there',
  )
})

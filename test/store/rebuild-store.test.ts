/** Queues and index made again from the log: the same as before, whatever happens on the way. */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { MessageStore, rebuildStore, type StoreError, verifyStore } from '#src/index.js'
import { queuesOf } from '../support/contents.js'
import { fixture, fixtures49 } from '../support/fixtures.js'
import { Random, rounds, seed } from '../support/random.js'
import { collect, newDirectory, numbered, openAt, refusal, small } from './stores.js'

t.setTimeout(240_000)
t.comment(`MILLRACE_SEED=${seed} MILLRACE_ROUNDS=${rounds}`)

const EIO = 5

for (const name of fixtures49) {
  t.test(`${name}: rebuilt, it has the queues and the index answers that it had`, async (t) => {
    const { dir, settings, manifest } = fixture(name)
    const expected = await openAt(t, fixture(name).dir, { settings })
    const result = await rebuildStore(dir, { settings })
    t.equal(dirname(result.keptIn), dirname(dir))
    t.match(basename(result.keptIn), /^store\.rebuild-\d{8}T\d{6}Z$/)
    t.ok(existsSync(join(result.keptIn, 'consumequeue')))
    t.equal(result.logBytes, expected.maxLogOffset - expected.minLogOffset)
    const store = await openAt(t, dir, { settings })
    t.match(store.recovery, { cleanBefore: true, rebuiltQueues: [], rebuiltIndexEntries: 0, torn: undefined })
    // The address of an extension unit is the code of the tags again.
    const code = name === 'consumequeue-ext-4.9' ? 'plain' : undefined
    const plain = (queues: ReturnType<typeof queuesOf>) =>
      queues.map((queue) => ({ ...queue, units: queue.units.map(([logOffset, size, tag]) => [logOffset, size, code ?? tag]) }))
    t.same(plain(queuesOf(store)), plain(queuesOf(expected)))
    t.equal(result.queues, expected.queues().length)
    const answers = (of: MessageStore) =>
      manifest.queries.map(({ topic, key, maxNum, begin, end }) =>
        of.index
          .query(topic, key, { limit: maxNum, begin, end })
          .filter((logOffset) => logOffset >= of.minLogOffset)
          .sort(),
      )
    if (name !== 'crashed-late-4.9') t.same(answers(store), answers(expected)) // Java has lost some
    await store.close()
    t.match(await verifyStore(dir, { settings }), { findingCount: 0 })
    t.ok(result.units >= queuesOf(expected).reduce((sum, { units }) => sum + units.length, 0))
  })
}

/** A store with queues that go on, one whose messages are all gone, a cursor, and half of its segments deleted. */
async function worn(t: Test): Promise<string> {
  const directory = newDirectory(t)
  const store = await openAt(t, directory)
  await store.appendBatch(numbered(33, { topic: 'gone', queueId: 3 }))
  for (let i = 0; i < 12; i++) await store.appendBatch([0, 1, 2].flatMap((queueId) => numbered(60, { queueId, from: 60 * i })))
  const cursor = await store.cursor('billing')
  cursor.seek('gone', 3, 20)
  cursor.seek('orders', 1, 500)
  await cursor.commit()
  t.ok((await store.deleteBelow(Math.floor(store.maxLogOffset / 2))) > 0)
  await store.close()
  return directory
}

const known = (store: MessageStore) => queuesOf(store)

t.test('numbers of queues whose messages are gone, min offsets and cursors survive, also for who knows the files alone', async (t) => {
  const directory = await worn(t)
  const before = await openAt(t, directory, { readOnly: true })
  const queues = known(before)
  t.match(queues[0], { topic: 'gone', queueId: 3, minOffset: 33, maxOffset: 33 })
  t.ok(queues[1]!.minOffset > 0)
  const keep = `${directory}-old`
  const told: number[] = []
  const result = await rebuildStore(directory, { keep, onProgress: (done) => told.push(done) })
  t.match(result, { keptIn: keep, queues: 4, units: queues.reduce((sum, { units }) => sum + units.length, 0) })
  t.equal(result.indexEntries, result.units)
  t.same(readdirSync(keep).sort(), ['consumequeue', 'index'])
  t.same(readdirSync(join(keep, 'consumequeue')).sort(), ['gone', 'orders'])
  // Java has no table of queues: what the files say.
  rmSync(join(directory, 'millrace', 'position'))
  const store = await openAt(t, directory)
  t.same(known(store), queues)
  const cursor = await store.cursor('billing')
  t.same([cursor.position('gone', 3), cursor.position('orders', 1)], [20, 500])
  t.match(await store.append({ topic: 'gone', queueId: 3, body: 'next' }), { queueOffset: 33 })
})

t.test('a store that only its files speak of keeps its numbers too', async (t) => {
  const directory = await worn(t)
  const queues = known(await openAt(t, directory, { readOnly: true }))
  rmSync(join(directory, 'millrace', 'position')) // as Java leaves it
  await rebuildStore(directory)
  t.same(known(await openAt(t, directory)), queues)
})

t.test('where the index is off, it stays as it is', async (t) => {
  const directory = await worn(t)
  const files = readdirSync(join(directory, 'index'))
  const { keptIn, indexEntries } = await rebuildStore(directory, { settings: { messageIndexEnable: false } })
  t.equal(indexEntries, 0)
  t.same([readdirSync(keptIn), readdirSync(join(directory, 'index'))], [['consumequeue'], files])
})

/** Names of all files but those of an open store: the lock, and segments that are made ahead. */
const filesIn = (directory: string): string[] =>
  (readdirSync(directory, { recursive: true }) as string[]).filter((name) => !/^(lock|abort|millrace\/segment-\d+)$/.test(name)).sort()

t.test('what it refuses has moved nothing', async (t) => {
  const directory = await worn(t)
  const files = filesIn(directory)
  const around = () => readdirSync(dirname(directory)).sort()
  const neighbours = around()
  const refused = async (code: string, ...args: Parameters<typeof rebuildStore>) => {
    const error: StoreError = await refusal(() => rebuildStore(...args))
    t.equal(error.code, code)
    t.same(filesIn(directory), files)
    t.same(around(), neighbours)
    return error
  }
  await refused('INVALID_ARGUMENT', directory, { keep: dirname(directory) }) // there already
  await refused('INVALID_ARGUMENT', directory, { keep: join(directory, 'old') })
  await refused('INVALID_ARGUMENT', directory, { keep: '' })
  await refused('INVALID_ARGUMENT', directory, null as never)
  await refused('INVALID_SETTING', directory, { settings: { maxMessageSize: -1 } })
  await refused('NO_STORE', join(directory, 'none'))
  const holder = await openAt(t, directory)
  await refused('STORE_LOCKED', directory)
  await holder.close()
  // In the middle of the log, where no opening looks.
  const segment = join(directory, 'commitlog', readdirSync(join(directory, 'commitlog'))[0] as string)
  const bytes = readFileSync(segment)
  const at = bytes.lastIndexOf('orders')
  bytes[at - 2] = (bytes[at - 2] as number) ^ 1
  writeFileSync(segment, bytes)
  t.equal((await refused('CORRUPT_LOG', directory)).path, segment)
  await (await openAt(t, directory)).close()
})

t.test('a log of Java’s that is damaged is refused, also where nothing else speaks of what lies behind', async (t) => {
  const { dir, settings } = fixture('clean-4.9')
  const segment = join(dir, 'commitlog', readdirSync(join(dir, 'commitlog'))[0] as string)
  const bytes = readFileSync(segment)
  bytes[88] = (bytes[88] as number) ^ 1
  writeFileSync(segment, bytes)
  for (const queues of ['there', 'gone']) {
    if (queues === 'gone') rmSync(join(dir, 'consumequeue'), { recursive: true })
    const files = filesIn(dir)
    t.equal((await refusal(() => rebuildStore(dir, { settings }))).code, 'CORRUPT_LOG', queues)
    t.same(filesIn(dir), files)
  }
})

/** Each fails from some place on, as if the process had died there: a short run takes some places, one with more rounds all. */
const operations = ['open', 'set_length', 'reserve', 'write', 'read', 'sync_data', 'sync_file', 'sync_dir', 'rename', 'unlink', 'mkdir']

for (const owner of ['millrace', 'Java']) {
  t.test(`a failure at any call leaves a store of ${owner}'s that opens, with every message and number`, async (t) => {
    const random = new Random(seed)
    let failed = 0
    const template = await worn(t)
    const queues = known(await openAt(t, template, { readOnly: true }))
    if (owner === 'Java') rmSync(join(template, 'millrace', 'position'))
    for (const operation of operations) {
      for (let after = 0, more = true; more; after += rounds > 1 ? 1 : 1 + random.int(2 + after)) {
        const directory = newDirectory(t)
        cpSync(template, directory, { recursive: true })
        const faults = `${operation}:errno=${EIO}:after=${after}:times=1000000`
        more = await rebuildStore(directory, { settings: small, faults } as never).then(
          () => false,
          () => true,
        )
        if (more) failed++
        const store = await MessageStore.open(directory, { settings: small }).catch((error) => error)
        if (!(store instanceof MessageStore)) {
          t.fail(`${faults}: ${store}`)
          continue
        }
        const what = `${operation} ${after}`
        if (JSON.stringify(known(store)) !== JSON.stringify(queues)) t.same(known(store), queues, what)
        const cursor = await store.cursor('billing')
        if (cursor.position('gone', 3) !== 20) t.fail(`${what}: the cursor is at ${cursor.position('gone', 3)}`)
        const records = await collect(store.records())
        const lacking = records.filter(({ keys, topic, logOffset }) => !store.index.query(topic, keys[0] as string).includes(logOffset))
        if (lacking.length > 0) t.fail(`${what}: the index lacks ${lacking.length} of ${records.length}`)
        await store.close()
        const { findingCount } = await verifyStore(directory, { settings: small })
        if (findingCount > 0) t.fail(`${what}: ${findingCount} findings`)
        rmSync(directory, { recursive: true })
      }
    }
    t.ok(failed > 30, `${failed} runs failed`)
  })
}

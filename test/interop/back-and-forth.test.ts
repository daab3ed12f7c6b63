import { cp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { MessageStore } from '#src/index.js'
import { type Acknowledged, lost, readNotes, summary } from '../support/acknowledged.js'
import { foundOf, queuesOf } from '../support/contents.js'
import { runWriter } from '../support/crash-peer.js'
import { Random, rounds, seed } from '../support/random.js'
import { isBatch, type Put, randomPlan } from './plan.js'
import { canonical, firstDifference, rowsOf } from './rows.js'
import { StorePeer } from './store-peer.js'

const settings = { mappedFileSizeCommitLog: 65536, mappedFileSizeConsumeQueue: 2000, maxHashSlotNum: 500, maxIndexNum: 2000 }

t.test('a store that goes from Java to millrace and back loses nothing acknowledged, though each is killed while it appends', async (t) => {
  t.comment(`MILLRACE_SEED=${seed}`)
  const random = new Random(seed)
  const root = t.testdir({ store: {} })
  const dir = join(root, 'store')
  const notes = join(root, 'notes')
  const byJava: Acknowledged[] = []
  const checker = await StorePeer.start()
  t.teardown(() => checker.end())

  /** Both sides open a copy of what the crash left; the store itself goes to its next writer untouched. */
  const verify = async (after: string): Promise<void> => {
    const acknowledged = [...byJava, ...(await readNotes(notes))]
    const copies = { java: join(root, 'for-java'), millrace: join(root, 'for-millrace') }
    for (const copy of Object.values(copies)) await cp(dir, copy, { recursive: true })
    const empty = await emptyFiles(dir)
    const java = await checker.check(copies.java, settings)
    if (empty.length > 0 && after === 'Java was killed') {
      t.comment(`Java died between making and extending ${empty}, and refuses that itself`)
    } else {
      t.match(java, { loaded: true, cleanBefore: false })
      t.same(
        summary(lost(acknowledged, java.records, java.queues)),
        { count: 0 },
        `Java finds all ${acknowledged.length} messages after ${after}`,
      )
    }
    const store = await MessageStore.open(copies.millrace, { settings })
    t.same(
      summary(lost(acknowledged, await foundOf(store), queuesOf(store))),
      { count: 0 },
      `millrace finds all ${acknowledged.length} messages after ${after}`,
    )
    await store.close()
    const closed = await checker.check(copies.millrace, settings)
    t.match(closed, { loaded: true, cleanBefore: true })
    t.same(
      summary(lost(acknowledged, closed.records, closed.queues)),
      { count: 0 },
      'Java finds them once millrace has recovered and closed the store',
    )
    await rm(copies.millrace, { recursive: true, force: true })
  }

  for (let round = 0; round < 3 * rounds; round++) {
    const java = await StorePeer.start()
    t.match(await java.open(dir, settings), { loaded: true, cleanBefore: round === 0 })
    const messages = randomPlan(random, { count: 100, writer: 'java', maxBodyBytes: 8000 }).filter(
      (step): step is Put => !isBatch(step) && entersItsQueue(step),
    )
    const earlier = byJava.length
    await java.flood({
      messages,
      from: byJava.length,
      [random.pick(['haltAfterMs', 'killAfterMs'] as const)]: random.between(20, 150),
      onAcknowledged: ({ number, logOffset, queueOffset }) => {
        const { topic, queueId } = messages[number % messages.length] as Put
        byJava.push({ topic, queueId, queueOffset, logOffset, keys: `j${number}` })
      },
    })
    t.ok(byJava.length > earlier, `Java acknowledged ${byJava.length - earlier} messages`)
    await verify('Java was killed')

    const noted = (await readNotes(notes)).length
    await runWriter({
      dir,
      settings,
      notes,
      random,
      flush: random.pick(['async', 'sync']),
      from: noted,
      count: 2000,
      topics: 6,
      killWithinMs: 150,
    })
    t.comment(`millrace acknowledged ${(await readNotes(notes)).length - noted} messages`)
    await verify('millrace was killed')
  }
})

t.test('a file that a dying Java store had made but not extended is no obstacle: millrace opens, and Java after it', async (t) => {
  const dir = t.testdir({})
  const java = await StorePeer.start()
  t.teardown(() => java.end())
  await java.open(dir, settings)
  await java.put(randomPlan(new Random(seed), { count: 300, writer: 'java', maxBodyBytes: 8000 }))
  const rows = await java.records()
  const queues = await java.queues()
  await java.close()
  await writeFile(join(dir, 'abort'), '')
  for (const [files, bytes] of [
    ['commitlog', settings.mappedFileSizeCommitLog],
    ['consumequeue/orders/1', settings.mappedFileSizeConsumeQueue],
  ] as const) {
    const last = Number((await readdir(join(dir, files))).sort().at(-1))
    await writeFile(join(dir, files, `${last + bytes}`.padStart(20, '0')), '')
  }
  await writeFile(join(dir, 'index', '20991231235959999'), '')
  t.equal((await emptyFiles(dir)).length, 3)

  const store = await MessageStore.open(dir, { settings })
  t.equal(store.recovery.cleanBefore, false)
  t.equal(firstDifference(await rowsOf(store), canonical(rows)), undefined)
  t.equal(firstDifference(queuesOf(store), queues), undefined)
  await store.close()
  t.same(await emptyFiles(dir), [])
  t.match(await java.open(dir, settings), { loaded: true, cleanBefore: true })
  t.equal(firstDifference(await java.records(), rows), undefined)
  await java.close()
})

/** Files that somebody made and had no time to extend, below the folders whose files have a fixed length. */
async function emptyFiles(dir: string): Promise<string[]> {
  const empty: string[] = []
  for (const folder of ['commitlog', 'consumequeue', 'index']) {
    for (const name of await readdir(join(dir, folder), { recursive: true }).catch(() => [])) {
      const { size } = await stat(join(dir, folder, name))
      if (size === 0) empty.push(join(folder, name))
    }
  }
  return empty
}

/** Neither parked for later nor kept out of every queue. */
function entersItsQueue({ sysFlag, properties }: Put): boolean {
  return (sysFlag & 0xc) === 0 && properties.DELAY === undefined
}

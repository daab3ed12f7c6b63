/** Queues and index made again, to the end or not, through Java. */
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { MessageStore, rebuildStore } from '#src/index.js'
import { queuesOf } from '../support/contents.js'
import { Random, seed } from '../support/random.js'
import { isBatch, randomPlan, toInput } from './plan.js'
import { always, randomQueries } from './requests.js'
import { canonical, firstDifference, queryOf, rowsOf } from './rows.js'
import { StorePeer } from './store-peer.js'

const settings = { mappedFileSizeCommitLog: 262144, mappedFileSizeConsumeQueue: 2000, maxHashSlotNum: 500, maxIndexNum: 2000 }

/** How far the work comes: calls that fail, as if the process had died there. */
const ways: Record<string, string | undefined> = {
  whole: undefined,
  'before the queues are moved': 'rename:errno=5:path=/consumequeue:times=1000',
  'between queues and index': 'rename:errno=5:path=.old/index:times=1000',
  'when some of it is there': 'write:errno=5:after=40:times=1000000',
}

t.test('a store whose queues and index were made again, or were about to be, reads the same through Java', async (t) => {
  t.comment(`MILLRACE_SEED=${seed}`)
  const random = new Random(seed)
  const root = t.testdir({})
  const dir = join(root, 'store')
  const store = await MessageStore.open(dir, { settings })
  for (let i = 0; i < 33; i++) await store.append({ topic: 'gone', queueId: 2, body: `${i}` })
  for (const step of randomPlan(random, { count: 4000, writer: 'millrace', maxBodyBytes: 3000 }))
    await (isBatch(step) ? store.appendBatch(step.items.map(toInput), { atomic: true }) : store.append(toInput(step)))
  t.ok((await store.deleteBelow(Math.floor(store.maxLogOffset * 0.4))) > 2)
  const rows = await rowsOf(store)
  const queues = queuesOf(store)
  // Files of an index that is made again begin elsewhere, and have their times in whole seconds from there: near the ends of a span others match.
  const queries = randomQueries(random, rows, 200).map((query) => ({ ...query, ...always }))
  const found = queries.map((query) => queryOf(store, query))
  await store.close()

  for (const [way, faults] of Object.entries(ways)) {
    const copy = join(root, `copy-${way.replaceAll(' ', '-')}`)
    await cp(dir, copy, { recursive: true })
    const work = rebuildStore(copy, { settings, keep: `${copy}.old`, faults } as never)
    if (faults === undefined) await work
    else await t.rejects(work)
    const java = await StorePeer.start('4.9.7')
    t.teardown(() => java.end())
    t.match(await java.open(copy, settings), { loaded: true, cleanBefore: faults === undefined, minOffset: rows[0]!.logOffset })
    t.equal(firstDifference(canonical(await java.records()), rows), undefined, `${way}: every record`)
    const all = await java.queues()
    // A queue without messages keeps a min offset in Java; and what Java itself puts for delayed messages has a tag hash for a time.
    const told = (of: typeof all) =>
      of.filter(({ topic, minOffset, maxOffset }) => minOffset < maxOffset && topic !== 'gone' && !(faults && topic.startsWith('SCHEDULE')))
    t.equal(firstDifference(told(all), told(queues)), undefined, `${way}: bounds and units of every queue`)
    t.equal(firstDifference(await java.query(queries), found), undefined, `${way}: queries by key`)
    if (faults === undefined)
      t.equal(all.find(({ topic }) => topic === 'gone')?.maxOffset, 33, 'a queue without messages goes on in Java too')
    await java.close()
    await java.end()
  }
})

/** A store whose old messages are gone, and its backup, through Java. */
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { MessageStore } from '#src/index.js'
import { queuesOf } from '../support/contents.js'
import { Random, seed } from '../support/random.js'
import { isBatch, randomPlan, toInput } from './plan.js'
import { randomQueries } from './requests.js'
import { canonical, firstDifference, queryOf, rowsOf } from './rows.js'
import { StorePeer } from './store-peer.js'

const settings = { mappedFileSizeCommitLog: 262144, mappedFileSizeConsumeQueue: 2000, maxHashSlotNum: 500, maxIndexNum: 2000 }

t.test('what retention leaves of a store, and a backup of that, made while it went on, read the same through Java', async (t) => {
  t.comment(`MILLRACE_SEED=${seed}`)
  const random = new Random(seed)
  const root = t.testdir({})
  const [dir, backup] = [join(root, 'store'), join(root, 'backup')]
  const store = await MessageStore.open(dir, { settings })
  const plan = randomPlan(random, { count: 6000, writer: 'millrace', maxBodyBytes: 3000 })
  const append = async (steps: typeof plan): Promise<void> => {
    for (const step of steps)
      await (isBatch(step) ? store.appendBatch(step.items.map(toInput), { atomic: true }) : store.append(toInput(step)))
  }
  const most = Math.floor(plan.length * 0.7)
  await append(plan.slice(0, most))
  await store.backup(backup)
  await append(plan.slice(most))
  t.ok((await store.deleteBelow(Math.floor(store.maxLogOffset * 0.4))) > 2)
  const more = await store.backup(backup)
  t.ok(more.from > 0 && more.copiedBytes === more.to - more.from)
  const rows = await rowsOf(store)
  const queues = queuesOf(store).filter(({ minOffset, maxOffset }) => minOffset < maxOffset)
  const queries = randomQueries(random, rows, 200)
  const found = queries.map((query) => queryOf(store, query))
  await store.close()

  for (const [name, of] of [
    ['store', dir],
    ['backup', backup],
  ] as const)
    for (const release of ['4.9.7', '5.3.3'] as const) {
      const copy = join(root, `${name}-${release}`)
      await cp(of, copy, { recursive: true })
      const java = await StorePeer.start(release)
      t.teardown(() => java.end())
      t.match(await java.open(copy, settings), { loaded: true, cleanBefore: true, minOffset: rows[0]!.logOffset })
      t.equal(firstDifference(canonical(await java.records()), rows), undefined, `${name}, ${release}: every record`)
      const seen = (await java.queues()).filter(({ minOffset, maxOffset }) => minOffset < maxOffset)
      t.equal(firstDifference(seen, queues), undefined, `${name}, ${release}: bounds and units of every queue`)
      t.equal(firstDifference(await java.query(queries), found), undefined, `${name}, ${release}: queries by key`)
      t.same(await java.close(), { abortLeft: false })
      await java.end()
    }
})

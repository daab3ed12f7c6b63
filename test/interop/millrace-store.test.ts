import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { type AppendResult, MessageStore } from '#src/index.js'
import { queuesOf } from '../support/contents.js'
import { Random, rounds, seed } from '../support/random.js'
import { isBatch, type Put, randomPlan, type Step, toInput } from './plan.js'
import { randomPulls, randomQueries } from './requests.js'
import { canonical, firstDifference, planned, pullOf, queryOf, type Row, rowsOf } from './rows.js'
import { StorePeer } from './store-peer.js'

/** Small files, so that every kind of them rolls many times. */
const settings = { mappedFileSizeCommitLog: 262144, mappedFileSizeConsumeQueue: 2000, maxHashSlotNum: 500, maxIndexNum: 2000 }

for (const { flush, count } of [
  { flush: 'async', count: 12000 },
  { flush: 'sync', count: 2000 },
] as const) {
  t.test(`a random store that millrace wrote with ${flush} flush reads the same through Java`, async (t) => {
    for (let round = 0; round < rounds; round++) {
      t.comment(`MILLRACE_SEED=${seed} round ${round}`)
      const random = new Random(seed + round)
      const root = t.testdir({ store: {} })
      const dir = join(root, 'store')
      const store = await MessageStore.open(dir, { flush, settings })
      const appended = await appendAll(store, random, randomPlan(random, { count, writer: 'millrace', maxBodyBytes: 30000 }))
      appended.sort((a, b) => (a.logOffset ?? 0) - (b.logOffset ?? 0))
      const rows = await rowsOf(store)
      t.equal(firstDifference(rows, appended), undefined, 'millrace reads what it was given')
      const queues = queuesOf(store)
      const pulls = randomPulls(random, queues, 40)
      const pages = await Promise.all(pulls.map((pull) => pullOf(store, pull)))
      const queries = randomQueries(random, rows, 300)
      const found = queries.map((query) => queryOf(store, query))
      await store.close()

      for (const release of ['4.9.7', '5.3.3'] as const) {
        const copy = join(root, release)
        await cp(dir, copy, { recursive: true })
        const java = await StorePeer.start(release)
        t.teardown(() => java.end())
        t.match(await java.open(copy, settings), { loaded: true, cleanBefore: true, maxOffset: rows.at(-1)!.logOffset + rows.at(-1)!.size })
        t.equal(firstDifference(canonical(await java.records()), rows), undefined, `${release}: every record, field by field`)
        t.equal(firstDifference(await java.queues(), queues), undefined, `${release}: bounds and units of every queue`)
        t.equal(firstDifference(await java.query(queries), found), undefined, `${release}: queries by key`)
        if (release === '4.9.7') t.equal(firstDifference(await java.pull(pulls), pages), undefined, 'pulls, with tags and without')
        t.same(await java.close(), { abortLeft: false })
        await java.end()
      }
    }
  })
}

/** Appends a plan by every way there is, and gives what each message must have become. */
async function appendAll(store: MessageStore, random: Random, plan: readonly Step[]): Promise<Partial<Row>[]> {
  const rows: Partial<Row>[] = []
  const note = (puts: readonly Put[], results: readonly AppendResult[]): void => {
    puts.forEach((put, i) => {
      rows.push(planned(put, results[i] as AppendResult))
    })
  }
  for (let i = 0; i < plan.length; ) {
    const step = plan[i] as Step
    if (isBatch(step)) {
      note(step.items, await store.appendBatch(step.items.map(toInput), { atomic: true }))
      i++
      continue
    }
    const end = plan.findIndex((other, at) => at > i && isBatch(other))
    const puts = plan.slice(i, Math.min(i + random.between(1, 30), end < 0 ? plan.length : end)) as Put[]
    i += puts.length
    const inputs = puts.map(toInput)
    switch (random.int(4)) {
      case 0:
        note(
          puts,
          inputs.map((input) => store.appendSync(input)),
        )
        break
      case 1:
        note(puts, await Promise.all(inputs.map((input) => store.append(input))))
        break
      case 2:
        note(puts, await store.appendBatch(inputs))
        break
      default:
        note(puts, store.appendBatchSync(inputs))
    }
  }
  return rows
}

import t from 'tap'
import { MessageStore } from '#src/index.js'
import { queuesOf } from '../support/contents.js'
import { Random, rounds, seed } from '../support/random.js'
import { randomPlan } from './plan.js'
import { randomPulls, randomQueries } from './requests.js'
import { canonical, firstDifference, pullOf, queryOf, rowsOf } from './rows.js'
import { StorePeer } from './store-peer.js'

const settings = { mappedFileSizeCommitLog: 262144, mappedFileSizeConsumeQueue: 2000, maxHashSlotNum: 500, maxIndexNum: 2000 }

t.test('a fresh random store of Java reads the same through millrace', async (t) => {
  const java = await StorePeer.start()
  t.teardown(() => java.end())
  for (let round = 0; round < rounds; round++) {
    t.comment(`MILLRACE_SEED=${seed} round ${round}`)
    const random = new Random(seed + round)
    const dir = t.testdir({})
    await java.open(dir, settings)
    const outcomes = await java.put(randomPlan(random, { count: 4000, writer: 'java', maxBodyBytes: 30000 }))
    t.same(
      outcomes.filter(({ status }) => status !== 'PUT_OK'),
      [],
    )
    const rows = canonical(await java.records())
    const queues = await java.queues()
    const pulls = randomPulls(random, queues, 40)
    const pages = await java.pull(pulls)
    const queries = randomQueries(random, rows, 300)
    const found = await java.query(queries)
    t.same(await java.close(), { abortLeft: false })

    const store = await MessageStore.open(dir, { settings })
    t.equal(store.recovery.cleanBefore, true)
    t.same(store.recovery.rebuiltQueues, [])
    t.equal(firstDifference(await rowsOf(store), rows), undefined, 'every record, field by field')
    t.equal(firstDifference(queuesOf(store), queues), undefined, 'bounds and units of every queue')
    t.equal(firstDifference(await Promise.all(pulls.map((pull) => pullOf(store, pull))), pages), undefined, 'pulls, with tags and without')
    t.equal(
      firstDifference(
        queries.map((query) => queryOf(store, query)),
        found,
      ),
      undefined,
      'queries by key',
    )
    for (const { topic, queueId } of queues) {
      if (topic === 'SCHEDULE_TOPIC_XXXX') continue // its units carry a time instead of a tag's hash
      const found: number[] = []
      for await (const { logOffset } of store.messages({ topic, queueId, tags: 'BB' })) found.push(logOffset)
      const tagged = rows.filter(
        (row) => row.topic === topic && row.queueId === queueId && row.properties.TAGS === 'BB' && entersQueue(row.sysFlag),
      )
      t.same(
        found,
        tagged.map((row) => row.logOffset),
        `only tag BB in ${topic} ${queueId}, though Aa has its hash`,
      )
    }
    await store.close()
  }
})

/** Prepared and rollback records enter no queue. */
function entersQueue(sysFlag: number): boolean {
  return (sysFlag & 0xc) === 0 || (sysFlag & 0xc) === 8
}

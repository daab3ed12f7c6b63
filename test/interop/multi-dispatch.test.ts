/** Queues that messages enter besides their own: Java and millrace write to them in turn, each going on with the other's numbers, crashed or closed. */
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { MessageStore } from '#src/index.js'
import { queuesOf } from '../support/contents.js'
import { Random, seed } from '../support/random.js'
import { type Put, toInput } from './plan.js'
import { randomPulls } from './requests.js'
import { canonical, firstDifference, pullOf, type Row, rowsOf } from './rows.js'
import { StorePeer } from './store-peer.js'

const settings = {
  ...{ mappedFileSizeCommitLog: 65536, mappedFileSizeConsumeQueue: 2000, maxHashSlotNum: 500, maxIndexNum: 2000 },
  ...{ enableMultiDispatch: true, enableLmq: true },
}

/** Its own queue twice, one name twice, light queues and plain ones, an old offset, a blank list, an empty part at the end. */
function randomPuts(random: Random, count: number): Put[] {
  const names = ['%LMQ%a', '%LMQ%b', '%LMQ%a-long-name', 'plain', 'orders', 'other']
  return Array.from({ length: count }, (_, i) => {
    const list = Array.from({ length: random.between(1, 5) }, () => random.pick(names)).join(',')
    const dispatch = random.chance(0.2) ? undefined : random.chance(0.05) ? ' ' : list + (random.chance(0.1) ? ',' : '')
    return {
      topic: random.pick(['orders', 'plain']),
      queueId: random.int(3),
      body: random.bytes(random.int(300)).toString('base64'),
      tags: random.chance(0.5) ? random.pick(['paid', 'refunded']) : undefined,
      properties: {
        UNIQ_KEY: `unique-${i}`,
        ...(dispatch === undefined ? {} : { INNER_MULTI_DISPATCH: dispatch }),
        ...(random.chance(0.1) ? { INNER_MULTI_QUEUE_OFFSET: '77,78' } : {}),
        ...(random.chance(0.1) ? { WAIT: 'true' } : {}),
      },
      flag: 0,
      sysFlag: random.chance(0.05) ? random.pick([0x4, 0x8, 0xc]) : 0,
      bornTimestamp: 1_700_000_000_000 + i,
      bornHost: '10.1.2.3:54321',
      storeHost: '127.0.0.1:10911',
      reconsumeTimes: 0,
      preparedTransactionOffset: 0,
    }
  })
}

/** What the numbers of all records must be, counted from the first: a queue that a message enters twice counts it once. */
function checkNumbers(t: Test, rows: readonly Row[], by: string): void {
  const next = new Map<string, number>()
  const wrong: object[] = []
  for (const row of rows) {
    const { topic, queueId, queueOffset, sysFlag, properties } = row
    if ((sysFlag & 0xc) === 0x4 || (sysFlag & 0xc) === 0xc) continue
    const names = (properties.INNER_MULTI_DISPATCH ?? '').trim().replace(/,+$/, '')
    const entered = names === '' ? [] : names.split(',').map((name) => `${name} ${name.startsWith('%LMQ%') ? 0 : queueId}`)
    const offsets = entered.map((name) => next.get(name) ?? 0)
    const own = next.get(`${topic} ${queueId}`) ?? 0
    for (const name of new Set([...entered, `${topic} ${queueId}`])) next.set(name, (next.get(name) ?? 0) + 1)
    const told = entered.length === 0 ? offsets.join() : properties.INNER_MULTI_QUEUE_OFFSET
    if (queueOffset !== own || told !== offsets.join()) wrong.push({ row, own, offsets })
  }
  t.same([wrong.length, wrong[0]], [0, undefined], `every number, ${by}`)
}

t.test('Java and millrace number the same further queues in turn', async (t) => {
  t.comment(`MILLRACE_SEED=${seed}`)
  const random = new Random(seed)
  const root = t.testdir({ store: {} })
  let dir = join(root, 'store')
  for (let round = 0; round < 4; round++) {
    const crash = round >= 2
    const store = await MessageStore.open(dir, { settings })
    for (const put of randomPuts(random, 300)) await store.append(toInput(put))
    if (random.chance(0.5)) await store.flush()
    const rows = await rowsOf(store)
    checkNumbers(t, rows, 'millrace wrote last')
    const queues = queuesOf(store)
    t.ok(queues.some(({ topic, maxOffset }) => topic === '%LMQ%a' && maxOffset > 100 * round))
    const pulls = randomPulls(random, queues, 20)
    const pages = await Promise.all(pulls.map((pull) => pullOf(store, pull)))
    // The files as the death of the process would leave them.
    const next = join(root, `${round}`)
    if (crash) await cp(dir, next, { recursive: true })
    await store.close()
    if (crash) dir = next

    const java = await StorePeer.start()
    t.teardown(() => java.end())
    t.match(await java.open(dir, settings), { loaded: true, cleanBefore: !crash })
    t.equal(firstDifference(canonical(await java.records()), rows), undefined, 'Java: every record')
    t.equal(firstDifference(await java.queues(), queues), undefined, 'Java: bounds and units of every queue')
    t.equal(firstDifference(await java.pull(pulls), pages), undefined, 'Java: pulls, with tags and without')
    const outcomes = await java.put(randomPuts(random, 300))
    t.ok(outcomes.every(({ status }) => status === 'PUT_OK'))
    const byJava = canonical(await java.records())
    checkNumbers(t, byJava, 'Java wrote last')
    const javaQueues = await java.queues()
    if (!crash) await java.close()
    await java.end()

    const again = await MessageStore.open(dir, { settings })
    t.equal(again.recovery.cleanBefore, !crash)
    t.equal(firstDifference(await rowsOf(again), byJava), undefined, 'millrace: every record')
    t.equal(firstDifference(queuesOf(again), javaQueues), undefined, 'millrace: bounds and units of every queue')
    await again.close()
  }
})

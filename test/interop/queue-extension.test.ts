/** Queues with an extension: Java and millrace write to them in turn, and each finds every extension unit of the other. */
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { format, MessageStore } from '#src/index.js'
import { type QueueRow, queuesOf } from '../support/contents.js'
import { Random, seed } from '../support/random.js'
import { readExtension } from '../support/store-files.js'
import { isBatch, randomPlan, toInput } from './plan.js'
import { randomPulls } from './requests.js'
import { canonical, firstDifference, pullOf, type Row, rowsOf } from './rows.js'
import { StorePeer } from './store-peer.js'

const settings = {
  ...{ mappedFileSizeCommitLog: 262144, mappedFileSizeConsumeQueue: 2000, maxHashSlotNum: 500, maxIndexNum: 2000 },
  ...{ enableConsumeQueueExt: true, mappedFileSizeConsumeQueueExt: 1000 },
}

/** The extension units of a store's files, in place of their addresses; `undefined` where an address leads to none. */
function unitsOf(dir: string, queues: readonly QueueRow[], rows: readonly Row[]): object[] {
  const stored = new Map(rows.map(({ logOffset, storeTimestamp }) => [logOffset, storeTimestamp]))
  return queues.flatMap(({ topic, queueId, units }) => {
    const { from, bytes } = readExtension(dir, topic, queueId)
    return units.map(([logOffset, , code]) => {
      const offset = format.extensionOffset(BigInt(code))
      const unit = offset === undefined ? undefined : format.readExtensionUnit(bytes, offset - from)
      const right = unit !== undefined && unit.storeTimestamp === stored.get(logOffset)
      return { topic, queueId, logOffset, right, tagCode: `${unit?.tagCode}` }
    })
  })
}

t.test('each writes the extension units of its messages behind those of the other', async (t) => {
  t.comment(`MILLRACE_SEED=${seed}`)
  const random = new Random(seed)
  const root = t.testdir({ store: {} })
  let dir = join(root, 'store')
  for (let round = 0; round < 4; round++) {
    const crash = round >= 2
    const store = await MessageStore.open(dir, { settings })
    t.same(store.recovery.rebuiltQueues, [])
    for (const step of randomPlan(random, { count: 400, writer: 'millrace', maxBodyBytes: 2000 }))
      await (isBatch(step) ? store.appendBatch(step.items.map(toInput), { atomic: true }) : store.append(toInput(step)))
    await store.flush()
    const rows = await rowsOf(store)
    const queues = queuesOf(store)
    const units = unitsOf(dir, queues, rows)
    t.same(units.filter((unit) => !(unit as { right: boolean }).right).slice(0, 3), [], 'an extension unit for each message')
    const pulls = randomPulls(random, queues, 10).filter(({ topic }) => topic !== 'SCHEDULE_TOPIC_XXXX')
    const pages = await Promise.all(pulls.map((pull) => pullOf(store, pull)))
    const next = join(root, `${round}`)
    if (crash) await cp(dir, next, { recursive: true })
    await store.close()
    if (crash) dir = next

    const java = await StorePeer.start()
    t.teardown(() => java.end())
    t.match(await java.open(dir, settings), { loaded: true, cleanBefore: !crash })
    t.equal(firstDifference(canonical(await java.records()), rows), undefined, 'Java: every record')
    t.equal(firstDifference(await java.queues(), queues), undefined, 'Java: bounds and units of every queue, addresses included')
    t.equal(firstDifference(await java.pull(pulls), pages), undefined, 'Java: pulls, which read tags through the addresses')
    const outcomes = await java.put(randomPlan(random, { count: 400, writer: 'java', maxBodyBytes: 2000 }))
    t.ok(outcomes.every(({ status }) => status === 'PUT_OK'))
    const byJava = canonical(await java.records())
    const javaQueues = await java.queues()
    if (!crash) await java.close()
    await java.end()
    t.same(
      unitsOf(dir, javaQueues, byJava)
        .filter((unit) => !(unit as { right: boolean }).right)
        .slice(0, 3),
      [],
      'and for each of Java’s, behind them',
    )

    const again = await MessageStore.open(dir, { settings })
    t.equal(again.recovery.cleanBefore, !crash)
    t.equal(firstDifference(await rowsOf(again), byJava), undefined, 'millrace: every record')
    t.equal(firstDifference(queuesOf(again), javaQueues), undefined, 'millrace: bounds and units of every queue')
    await again.close()
  }
})

/** A log over several directories, of which Java and millrace each make segments in turn, where the other would have made them. */
import { existsSync } from 'node:fs'
import { mkdir, readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { MessageStore } from '#src/index.js'
import { queuesOf } from '../support/contents.js'
import { Random, seed } from '../support/random.js'
import { isBatch, randomPlan, toInput } from './plan.js'
import { canonical, firstDifference, rowsOf } from './rows.js'
import { StorePeer } from './store-peer.js'

const SEGMENT = 65536
const sizes = { mappedFileSizeCommitLog: SEGMENT, mappedFileSizeConsumeQueue: 2000, maxHashSlotNum: 500, maxIndexNum: 2000 }

/** Segments up to `end` lie where RocketMQ puts them: from `from` on in turn over the sorted directories. */
function checkPlaces(t: Test, logs: readonly string[], from: number, end: number, by: string): void {
  const sorted = [...logs].sort()
  const wrong: number[] = []
  for (let number = from; number * SEGMENT < end; number++)
    if (!existsSync(join(sorted[number % sorted.length]!, `${number * SEGMENT}`.padStart(20, '0')))) wrong.push(number)
  t.same(wrong, [], `segments from ${from} on are where they belong, ${by}`)
}

t.test('Java and millrace go on in each other’s directories', async (t) => {
  t.comment(`MILLRACE_SEED=${seed}`)
  const random = new Random(seed)
  const root = t.testdir({ store: {} })
  const dir = join(root, 'store')
  const logs = ['x', 'b', 'disk-a'].map((name) => join(root, name, 'commitlog'))
  for (const log of logs) await mkdir(log, { recursive: true })
  let settings: Record<string, string | number> = { ...sizes, storePathCommitLog: logs.join() }
  let [writable, from] = [logs, 0]
  for (let round = 0; round < 3; round++) {
    if (round === 2) {
      // One is retired: it keeps what it has.
      settings = { ...settings, readOnlyCommitLogStorePaths: logs[1]! }
      writable = [logs[0]!, logs[2]!]
    }
    const store = await MessageStore.open(dir, { settings })
    if (round === 2) from = Math.floor(store.maxLogOffset / SEGMENT) + 1
    for (const step of randomPlan(random, { count: 500, writer: 'millrace', maxBodyBytes: 8000 }))
      await (isBatch(step) ? store.appendBatch(step.items.map(toInput), { atomic: true }) : store.append(toInput(step)))
    const rows = await rowsOf(store)
    const queues = queuesOf(store)
    checkPlaces(t, writable, from, store.maxLogOffset, 'after millrace')
    await store.close()

    const java = await StorePeer.start()
    t.teardown(() => java.end())
    t.match(await java.open(dir, settings), { loaded: true, cleanBefore: true })
    t.equal(firstDifference(canonical(await java.records()), rows), undefined, 'Java: every record')
    t.equal(firstDifference(await java.queues(), queues), undefined, 'Java: every queue')
    const outcomes = await java.put(randomPlan(random, { count: 500, writer: 'java', maxBodyBytes: 8000 }))
    t.ok(outcomes.every(({ status }) => status === 'PUT_OK'))
    checkPlaces(t, writable, from, outcomes.at(-1)!.logOffset, 'after Java')
    const byJava = canonical(await java.records())
    const javaQueues = await java.queues()
    await java.close()
    await java.end()

    const again = await MessageStore.open(dir, { settings })
    t.equal(firstDifference(await rowsOf(again), byJava), undefined, 'millrace: every record')
    t.equal(firstDifference(queuesOf(again), javaQueues), undefined, 'millrace: every queue')
    await again.close()
  }
  // Which directory a segment lies in does not matter to either.
  const [name] = (await readdir(logs[0]!)).sort()
  await rename(join(logs[0]!, name!), join(logs[2]!, name!))
  const store = await MessageStore.open(dir, { settings })
  const rows = await rowsOf(store)
  await store.close()
  const java = await StorePeer.start()
  t.teardown(() => java.end())
  t.match(await java.open(dir, settings), { loaded: true })
  t.equal(firstDifference(canonical(await java.records()), rows), undefined)
  await java.close()
  await java.end()
})

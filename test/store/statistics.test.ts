import { constants } from 'node:os'
import t from 'tap'
import { LatencyHistogram, MessageStore } from '#src/index.js'
import { numbered, openNew, refusal } from './stores.js'

t.test('a new store has done nothing', async (t) => {
  const store = await openNew(t)
  const { appended, pulled, syncs, stalls, log, queues, index, diskFull, damagedUnits } = store.statistics()
  t.same(pulled, { pulls: 0, messages: 0, bytes: 0, fromDisk: 0 })
  t.equal(appended.messages + appended.bytes + appended.refused + appended.latency.count, 0)
  t.same([appended.latency.percentile(0.99), appended.latency.meanMilliseconds, appended.latency.maxMilliseconds], [0, 0, 0])
  t.same([syncs.failed, stalls.appends, stalls.syncs, damagedUnits, diskFull], [false, 0, 0, 0, false])
  t.same([log.minOffset, log.maxOffset, log.segments, queues.count, queues.tailBytes, index.files], [0, 0, 0, 0, 0, 0])
})

t.test('what is appended, refused and pulled is counted, and commits with their times', async (t) => {
  const store = await openNew(t)
  await store.appendBatch(numbered(50))
  for (let i = 0; i < 10; i++) store.appendSync({ topic: 'orders', queueId: 1, keys: `k${i}`, body: 'x' })
  const large = { topic: 'orders', body: Buffer.alloc(70_000) }
  await refusal(() => store.append(large))
  await refusal(() => store.appendBatch([{ topic: 'orders' }, large, { topic: 'orders' }]))
  const queue = { topic: 'orders', queueId: 0, maxMessages: 10 }
  await store.pull({ ...queue, offset: 0 })
  const { bytes } = await store.pullRaw({ ...queue, offset: 0 })
  await store.pullRanges({ ...queue, offset: 0 })
  await store.pull({ ...queue, offset: 1_000_000 })
  const { milliseconds, appended, pulled, log, queues, index } = store.statistics()
  t.ok(milliseconds > 0)
  t.same([appended.messages, appended.bytes], [60, store.maxLogOffset])
  t.equal(appended.refused, 4)
  t.same({ ...pulled, fromDisk: 0 }, { pulls: 4, messages: 30, bytes: 3 * bytes.length, fromDisk: 0 })
  t.same([log.minOffset, log.maxOffset, log.segments], [0, store.maxLogOffset, 1])
  t.equal(log.copied + log.written, 60)
  t.equal(queues.count, 2)
  t.equal(index.files, 1)

  const { latency } = appended
  t.equal(latency.count, 11, 'a batch is one commit')
  t.ok(latency.meanMilliseconds > 0 && latency.meanMilliseconds <= latency.maxMilliseconds)
  t.ok(latency.percentile(0.5) <= latency.percentile(0.99))
  t.ok(latency.percentile(1) <= latency.maxMilliseconds)
  t.equal(latency.countFrom(0), 11)
})

t.test('syncs are counted with their times, and all threads count together', async (t) => {
  const store = await openNew(t, { flush: 'sync' })
  const other = MessageStore.attach(store.handle)
  t.teardown(() => other.close())
  for (let i = 0; i < 5; i++) (i % 2 ? store : other).appendSync({ topic: 'orders' })
  const { appended, syncs, log } = store.statistics()
  t.equal(appended.messages, 5)
  t.equal(syncs.latency.count, 5)
  t.equal(log.syncs, 5)
  t.equal(log.flushedOffset, log.maxOffset)
  t.equal(other.statistics().appended.latency.count, 5)
})

t.test('a failed sync is told, and what is refused after it', async (t) => {
  const failing = await openNew(t, { flush: 'sync', faults: `sync_data:errno=${constants.errno.EIO}:path=/commitlog/` })
  await refusal(() => failing.appendSync({ topic: 'orders' }))
  t.equal(failing.statistics().syncs.failed, true)
  await refusal(() => failing.appendSync({ topic: 'orders' }))
  t.equal(failing.statistics().appended.refused, 1, 'what a failed sync left in the log was taken')
})

t.test('a histogram tells shares and counts from its buckets', async (t) => {
  // 90 below 1 ms, 9 below 8 ms, 1 below 100 ms, which took 90.
  const histogram = new LatencyHistogram([1e6, 90, 8e6, 9, 100e6, 1], 200e6, 90e6)
  t.same(
    [0, 0.5, 0.9, 0.91, 0.99, 0.999, 1].map((share) => histogram.percentile(share)),
    [1, 1, 1, 8, 8, 90, 90],
  )
  t.same([histogram.count, histogram.meanMilliseconds, histogram.maxMilliseconds], [100, 2, 90])
  t.same(
    [0, 1, 7.9, 8, 99, 100].map((milliseconds) => histogram.countFrom(milliseconds)),
    [100, 10, 10, 1, 1, 0],
  )
})

import t from 'tap'
import { MessageStore } from '#src/index.js'
import { Random, seed } from '../support/random.js'
import { BrokerPeer } from './broker-peer.js'
import { isBatch, randomPlan, toInput, topics } from './plan.js'
import { firstDifference, rowsOf } from './rows.js'

const settings = { mappedFileSizeCommitLog: 262144, mappedFileSizeConsumeQueue: 2000, maxHashSlotNum: 500, maxIndexNum: 2000 }
const read = Object.fromEntries(Object.entries(topics).filter(([topic]) => !topic.startsWith('%')))

t.test('a Java broker on a directory that millrace wrote serves every message, and millrace goes on after it', async (t) => {
  t.comment(`MILLRACE_SEED=${seed}`)
  const dir = t.testdir({})
  const store = await MessageStore.open(dir, { settings })
  const plan = randomPlan(new Random(seed), { count: 1500, writer: 'millrace', maxBodyBytes: 30000 })
  await store.appendBatch(plan.flatMap((step) => (isBatch(step) ? step.items : [step])).map(toInput))
  const before = await rowsOf(store)
  const orders = store.queues('orders')
  await store.close()

  const broker = await BrokerPeer.start(dir, settings)
  let stopping: Promise<void> | undefined
  t.teardown(() => stopping ?? broker.stop())
  const messages = await broker.readAndSend(read)
  const pulled = messages.filter(({ what }) => what === 'pulled').sort((a, b) => a.logOffset - b.logOffset)
  const expected = before
    .filter(({ topic, sysFlag }) => topic in read && ((sysFlag & 0xc) === 0 || (sysFlag & 0xc) === 8))
    .map(({ topic, queueId, queueOffset, logOffset, properties, bodySha1, plainSha1 }) => ({
      what: 'pulled' as const,
      topic,
      queueId,
      queueOffset,
      logOffset,
      keys: properties.KEYS ?? null,
      bodySha1: plainSha1 ?? bodySha1,
    }))
  t.equal(firstDifference(pulled, expected), undefined, `a Java consumer gets all ${expected.length} messages`)
  const sent = messages.filter(({ what }) => what === 'sent')
  t.equal(sent.length, Object.keys(read).length)

  const status = await broker.mqadmin('topicStatus', '-t', 'orders')
  for (const { queueId, minOffset, maxOffset } of orders) {
    const more = sent.some((message) => message.topic === 'orders' && message.queueId === queueId) ? 1 : 0
    t.match(
      status,
      new RegExp(`broker-a\\s+${queueId}\\s+${minOffset}\\s+${maxOffset + more}\\s`),
      `mqadmin tells the bounds of queue ${queueId}`,
    )
  }
  stopping = broker.stop()
  await stopping

  const again = await MessageStore.open(dir, { settings })
  t.equal(again.recovery.cleanBefore, true)
  t.equal(firstDifference((await rowsOf(again)).slice(0, before.length), before), undefined)
  for (const { topic, queueId, queueOffset, logOffset } of sent) {
    const { messages } = await again.pull({ topic, queueId, offset: queueOffset, tags: 'fromBroker' })
    t.same(
      messages.map((message) => [message.logOffset, message.body.toString()]),
      [[logOffset, 'sent through a broker']],
    )
  }
  await again.close()
})

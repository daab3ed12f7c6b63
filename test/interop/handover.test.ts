/** A broker's directory changes hands: Java's broker has it, then millrace's, then Java's again. Clients and operators do not notice. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { Broker, MessageStore, NameServer } from '#src/index.js'
import { endings } from './endings.js'
import { type Delivered, ErrandPeer } from './errand-peer.js'
import { JavaServer } from './java-server.js'

t.setTimeout(300_000)

/** Three stages fill more than two segments. On a busy machine RocketMQ's broker refuses what has waited for 200 ms. */
const settings = {
  brokerName: 'broker-a',
  mappedFileSizeCommitLog: 1 << 20,
  waitTimeMillsInSendQueue: 10_000,
  messageDelayLevel: '1s 5s 15s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h',
}
const SOON = 1
const AGAIN = 2
/** RocketMQ's broker delivers until it has shut down for some seconds. */
const IN_THE_NEXT_STAGE = 3
const QUEUES = 4
const PER_QUEUE = 10
const TAKEN = [25, 40, 55]

interface Running {
  readonly address: string
  stop(): Promise<void>
}

const brokers: Record<string, (dir: string, nameServer: string) => Promise<Running>> = {
  Java: (dir, nameServer) => JavaServer.broker(dir, nameServer, settings),
  millrace: async (dir, namesrvAddr) => {
    const broker = await Broker.start({ settings: { ...settings, listenPort: 0, namesrvAddr, storePathRootDir: dir } })
    return { address: broker.address, stop: () => broker.close() }
  },
}

t.test('a directory goes from a Java broker to millrace and back, and each goes on where the other stopped', async (t) => {
  const atEnd = endings(t)
  const root = t.testdir({})
  const dir = join(root, 'store')
  const namesrv = await NameServer.start({ settings: { listenPort: 0, kvConfigPath: join(root, 'kv.json') } })
  atEnd(() => namesrv.close())
  const clients = await ErrandPeer.start(namesrv.address)
  atEnd(() => clients.end())
  const sent: string[][] = Array.from({ length: QUEUES }, () => [])
  const consumed: string[][] = Array.from({ length: QUEUES }, () => [])
  const delayed: Delivered[] = []

  for (const [i, who] of ['Java', 'millrace', 'Java'].entries()) {
    const stage = i + 1
    const startedAt = Date.now()
    const broker = await brokers[who]!(dir, namesrv.address)
    let stopping: Promise<void> | undefined
    const stop = () => {
      stopping ??= broker.stop()
      return stopping
    }
    atEnd(stop)

    await t.test(`stage ${stage}: ${who} knows the topics and groups of the earlier stages`, async (t) => {
      await clients.mqadmin('updateTopic', '-b', broker.address, '-t', `made-${stage}`, '-r', `${4 + stage}`, '-w', `${stage}`, '-p', '6')
      await clients.mqadmin('updateSubGroup', '-b', broker.address, '-g', `group-${stage}`, '-r', `${stage}`)
      if (stage === 1)
        for (const [topic, queues] of Object.entries({ orders: QUEUES, later: 1, failing: 1 }))
          await clients.mqadmin('updateTopic', '-b', broker.address, '-t', topic, '-r', `${queues}`, '-w', `${queues}`)
      const { topics, groups } = await clients.tables(broker.address)
      for (let earlier = 1; earlier <= stage; earlier++) {
        t.same(topics[`made-${earlier}`], [4 + earlier, earlier, 6])
        t.equal(groups[`group-${earlier}`], earlier)
      }
      t.match(topics, { orders: [QUEUES, QUEUES, 6], TBW102: [8, 8, 7], SCHEDULE_TOPIC_XXXX: [18, 18, 6] })
    })

    await t.test(`stage ${stage}: ${who} has all messages, and the group goes on where it was`, async (t) => {
      const messages = sent.flatMap((texts, queueId) =>
        Array.from({ length: PER_QUEUE }, (_, n) => ({ queueId, body: `${queueId} ${texts.length + n} `.padEnd(20_000, who) })),
      )
      for (const { queueId, body } of messages) sent[queueId]!.push(body)
      const answers = await clients.send('orders', messages)
      t.ok(answers.every(({ status }) => status === 'SEND_OK'))
      const first = (stage - 1) * PER_QUEUE
      t.same(
        answers.map(({ queueId, queueOffset }) => [queueId, queueOffset]),
        messages.map(({ queueId }, n) => [queueId, first + (n % PER_QUEUE)]),
      )
      const taken = await clients.consume('workers', 'orders', TAKEN[i]!)
      const next = consumed.map((texts) => texts.length)
      t.same(
        taken.map(({ queueOffset }) => queueOffset),
        taken.map(({ queueId }) => next[queueId]!++),
      )
      for (const { queueId, text } of taken) consumed[queueId]!.push(text)
      const stored = await clients.read('orders', stage * QUEUES * PER_QUEUE)
      t.strictSame(
        stored.map(({ text, queueOffset }) => [queueOffset, text]),
        sent.flatMap((texts) => [...texts.entries()]),
      )
    })

    await t.test(`stage ${stage}: ${who} delivers what became due meanwhile, once`, async (t) => {
      await clients.send('later', [{ body: `soon ${stage}`, delayLevel: SOON }])
      const before = delayed.splice(0)
      delayed.push(...(await clients.read('later', 2 * stage - 1)))
      t.strictSame(delayed.slice(0, before.length), before, 'what there was is as it was')
      const expected = stage === 1 ? ['soon 1'] : [`late ${stage - 1}`, `soon ${stage}`]
      const came = delayed.slice(before.length)
      t.same(came.map(({ text }) => text).sort(), expected)
      t.ok(
        came.every(({ storeTimestamp }) => storeTimestamp >= startedAt),
        'and not before this stage',
      )
      if (stage > 1) t.match(await clients.consume('retriers', 'failing', 1), [{ text: `failed in ${stage - 1}`, reconsumeTimes: 1 }])
      if (stage === 3) return
      await clients.send('failing', [{ body: `failed in ${stage}` }])
      await clients.fail('retriers', 'failing', 1, AGAIN)
      await clients.send('later', [{ body: `late ${stage}`, delayLevel: IN_THE_NEXT_STAGE }])
    })

    await stop()
    const files = await readdir(join(dir, 'config'))
    for (const name of ['topics', 'subscriptionGroup', 'consumerOffset', 'delayOffset']) t.ok(files.includes(`${name}.json`), name)
  }

  t.strictSame(consumed, sent, 'nothing was skipped, and nothing was consumed twice')
  const store = await MessageStore.open(dir, { settings: { mappedFileSizeCommitLog: settings.mappedFileSizeCommitLog } })
  t.equal(store.recovery.cleanBefore, true)
  await store.close()
})

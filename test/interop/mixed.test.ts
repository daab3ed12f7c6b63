/** Servers of both kinds in one cluster: clients and operators can not tell them apart. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { Broker, type BrokerSettings, NameServer } from '#src/index.js'
import { readTopicRoute } from '#src/protocol/bodies/topic-route.js'
import { endings } from './endings.js'
import { ErrandPeer } from './errand-peer.js'
import { JavaServer } from './java-server.js'

t.setTimeout(300_000)

const store = { mappedFileSizeCommitLog: 1 << 20 }
const MESSAGES = 60

function millraceBroker(dir: string, settings: Partial<BrokerSettings>): Promise<Broker> {
  return Broker.start({ settings: { ...store, listenPort: 0, storePathRootDir: join(dir, 'millrace'), ...settings } })
}

/** A broker registers a moment after it listens, and Java's can tell its version a moment after that. */
async function awaitInCluster(t: Test, clients: ErrandPeer, patterns: readonly RegExp[]): Promise<void> {
  let told = ''
  for (let i = 0; i < 100; i++) {
    told = await clients.mqadmin('clusterList')
    if (patterns.every((pattern) => pattern.test(told))) break
    await sleep(100)
  }
  for (const pattern of patterns) t.match(told, pattern)
}

/** Of what was answered: the numbers of the messages of each broker and queue, in the order of its offsets. */
function byQueue(messages: readonly { broker: string; queueId: number; queueOffset: number; text: string }[]): Record<string, string[]> {
  const queues: Record<string, string[]> = {}
  for (const { broker, queueId, queueOffset, text } of messages) {
    const queue = `${broker} ${queueId}`
    queues[queue] ??= []
    queues[queue][queueOffset] = text
  }
  return queues
}

/** Sends to a topic that two members of a group consume together, and returns how many messages went to each queue. */
async function sendAndConsume(t: Test, clients: ErrandPeer): Promise<Record<string, number>> {
  const texts = Array.from({ length: MESSAGES }, (_, n) => `message ${n}`)
  const messages = texts.map((body) => ({ body }))
  const { sent, taken } = await clients.share('group', 'shared', messages, 2)
  t.ok(
    sent.every(({ status }) => status === 'SEND_OK'),
    'all are stored',
  )
  const queues = byQueue(sent.map((answer, n) => ({ ...answer, text: texts[n]! })))
  t.equal(taken.flat().length, MESSAGES)
  t.same(byQueue(taken.flat()), queues, 'each is consumed once, from where its answer said that it is')
  t.ok(
    taken.every(({ length }) => length > 0),
    'both members get some',
  )
  t.same(byQueue(await clients.read('shared', MESSAGES)), queues)
  return Object.fromEntries(Object.entries(queues).map(([queue, texts]) => [queue, texts.length]))
}

t.test('a broker of millrace registers with a Java name server, and Java clients find it there until it has gone', async (t) => {
  const atEnd = endings(t)
  const dir = t.testdir({})
  const namesrv = await JavaServer.nameServer()
  atEnd(() => namesrv.stop())
  const broker = await millraceBroker(dir, { brokerName: 'broker-b', namesrvAddr: namesrv.address })
  atEnd(() => broker.close())
  const clients = await ErrandPeer.start(namesrv.address)
  atEnd(() => clients.end())

  await awaitInCluster(t, clients, [new RegExp(`DefaultCluster\\s+broker-b\\s+0\\s+${broker.address}\\s`)])
  await clients.mqadmin('updateTopic', '-c', 'DefaultCluster', '-t', 'shared', '-r', '3', '-w', '3')
  t.same(Object.keys(await sendAndConsume(t, clients)).sort(), ['broker-b 0', 'broker-b 1', 'broker-b 2'])
  const route = async () => clients.mqadmin('topicRoute', '-t', 'shared')
  t.match(readTopicRoute(Buffer.from(await route())), {
    brokerDatas: [{ brokerName: 'broker-b', cluster: 'DefaultCluster' }],
    queueDatas: [{ brokerName: 'broker-b', readQueueNums: 3, writeQueueNums: 3, perm: 6 }],
  })
  await clients.mqadmin('updateTopicPerm', '-b', broker.address, '-t', 'shared', '-p', '4')
  t.match(readTopicRoute(Buffer.from(await route())), { queueDatas: [{ perm: 4 }] }, 'a change is told at once')

  await broker.close()
  t.notMatch(await clients.mqadmin('clusterList'), /broker-b/)
  t.notMatch(await route(), /brokerDatas/)
})

t.test('a Java broker and one of millrace make one cluster at a name server of millrace, with topics over both', async (t) => {
  const atEnd = endings(t)
  const dir = t.testdir({})
  const namesrv = await NameServer.start({ settings: { listenPort: 0, kvConfigPath: join(dir, 'kv.json') } })
  atEnd(() => namesrv.close())
  const java = await JavaServer.broker(join(dir, 'java'), namesrv.address, store)
  atEnd(() => java.stop())
  const broker = await millraceBroker(dir, { brokerName: 'broker-b', namesrvAddr: namesrv.address, waitTimeMillsInSendQueue: 10_000 })
  atEnd(() => broker.close())
  const clients = await ErrandPeer.start(namesrv.address)
  atEnd(() => clients.end())

  await awaitInCluster(t, clients, [
    new RegExp(`DefaultCluster\\s+broker-a\\s+0\\s+${java.address}\\s+V4_9_7`),
    new RegExp(`DefaultCluster\\s+broker-b\\s+0\\s+${broker.address}\\s`),
  ])
  await clients.mqadmin('updateTopic', '-c', 'DefaultCluster', '-t', 'shared', '-r', '2', '-w', '2')
  const counts = await sendAndConsume(t, clients)
  t.same(Object.keys(counts).sort(), ['broker-a 0', 'broker-a 1', 'broker-b 0', 'broker-b 1'])
  t.ok(
    Object.values(counts).every((count) => count >= MESSAGES / 4 - 2),
    'each queue in turn',
  )

  const { brokerDatas, queueDatas } = readTopicRoute(Buffer.from(await clients.mqadmin('topicRoute', '-t', 'shared')))
  t.same(Object.fromEntries(brokerDatas.map(({ brokerName, brokerAddrs }) => [brokerName, [...brokerAddrs]])), {
    'broker-a': [[0, java.address]],
    'broker-b': [[0, broker.address]],
  })
  t.same(Object.fromEntries(queueDatas.map(({ brokerName, perm, readQueueNums }) => [brokerName, [perm, readQueueNums]])), {
    'broker-a': [6, 2],
    'broker-b': [6, 2],
  })
  const topics = (await clients.mqadmin('topicList')).split('\n').map((line) => line.trim())
  for (const topic of ['shared', '%RETRY%group', 'broker-a', 'broker-b', 'DefaultCluster', 'TBW102']) t.ok(topics.includes(topic), topic)
})

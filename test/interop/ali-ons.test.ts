/** The JavaScript client ali-ons, which speaks the protocol by itself: sending, tags, consuming, consuming again what failed, and going on where a group stopped. */
import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'

import { UPDATE_AND_CREATE_TOPIC } from '#src/protocol/requests/broker.js'
import { RemotingPeer } from '../support/remoting.js'
import { startServers } from './cluster.js'
import { endings } from './endings.js'

t.setTimeout(120_000)

/** What is used of it; the package has no types. */
interface OnsMessage {
  topic: string
  tags: string | null
  keys: string
  body: Buffer
  msgId: string
  queueId: number
  queueOffset: number
  reconsumeTimes: number
  delayTimeLevel: number
}

interface OnsClient {
  ready(): Promise<void>
  close(): Promise<void>
  on(event: 'error', listener: (error: Error) => void): void
}

interface OnsProducer extends OnsClient {
  send(message: OnsMessage): Promise<{ sendStatus: string; msgId: string; queueOffset: number; messageQueue: { queueId: number } }>
}

interface OnsConsumer extends OnsClient {
  subscribe(topic: string, tags: string, handler: (message: OnsMessage) => Promise<void>): void
}

const { Consumer, Message, Producer } = createRequire(import.meta.url)('ali-ons') as {
  Message: new (topic: string, tags: string, body: string) => Omit<OnsMessage, 'keys'> & { set keys(keys: readonly string[]) }
  Producer: { new (options: object): OnsProducer; getDefaultProducer(): Promise<OnsProducer> }
  Consumer: new (options: object) => OnsConsumer
}

const FAILS_ONCE = 'fails once'
/** It takes this for a failure that it may meet: the retry topic is made by the first heartbeat, and it asks for the route before. */
const EXPECTED = /No topic route info in name server for the topic: %RETRY%|process mq message failed.*as it should/s

t.test('ali-ons sends and consumes, gets again what failed, and a group goes on where it stopped', async (t) => {
  const atEnd = endings(t)
  const { namesrv, broker, stop } = await startServers(t.testdir({}), {
    mappedFileSizeCommitLog: 1 << 20,
    messageDelayLevel: '1s 1s 1s 1s',
  })
  atEnd(stop)
  const admin = await RemotingPeer.connect(broker.address)
  const queues = { readQueueNums: 4, writeQueueNums: 4, perm: 6 }
  const made = await admin.ask(UPDATE_AND_CREATE_TOPIC, {
    topic: 'ons',
    defaultTopic: 'TBW102',
    ...queues,
    topicFilterType: 'SINGLE_TAG',
    order: false,
  })
  t.match(made, { code: 0 }) // it would not send to a topic without a route
  admin.close()

  const often = { pollNameServerInteval: 300, heartbeatBrokerInterval: 300, persistConsumerOffsetInterval: 300, rebalanceInterval: 300 }
  const quiet = { info() {}, debug() {}, warn() {}, error() {} }
  const options = { ...often, nameSrv: namesrv.address, httpclient: {}, logger: quiet }
  const troubles: string[] = []
  const watched = <C extends OnsClient>(client: C): C => {
    client.on('error', ({ message }) => EXPECTED.test(message) || troubles.push(message))
    return client
  }

  const producer = watched(new Producer({ ...options, producerGroup: 'ons-producers' }))
  await producer.ready()
  atEnd(async () => (await Producer.getDefaultProducer()).close())
  atEnd(() => producer.close())
  const ids = new Map<string, string>()
  const send = async (tags: string, body: string, more: { delayTimeLevel?: number } = {}) => {
    const message = Object.assign(new Message('ons', tags, body), more, { keys: [`key-${ids.size}`, 'all'] })
    const { sendStatus, msgId, queueOffset, messageQueue } = await producer.send(message as unknown as OnsMessage)
    t.equal(sendStatus, 'SEND_OK')
    t.ok(messageQueue.queueId < 4 && queueOffset >= 0)
    ids.set(body, msgId)
  }

  /** Consumes until `expected` have come, and returns all that came. */
  const consume = async (expected: readonly string[]): Promise<OnsMessage[]> => {
    const consumer = watched(new Consumer({ ...options, consumerGroup: 'ons-consumers' }))
    const came: OnsMessage[] = []
    consumer.subscribe('ons', 'red || blue', async (message) => {
      came.push({ ...message, tags: message.tags, keys: message.keys, delayTimeLevel: message.delayTimeLevel })
      if (String(message.body) === FAILS_ONCE && message.reconsumeTimes === 0) throw new Error('as it should')
    })
    const bodies = () => came.map(({ body }) => String(body)).sort()
    for (let i = 0; i < 1000 && bodies().length < expected.length; i++) await sleep(20)
    await consumer.close()
    t.same(bodies(), [...expected].sort())
    return came
  }

  const long = 'long enough to be compressed, '.repeat(1000)
  const first = ['one', 'two', 'три', long, FAILS_ONCE, 'later']
  for (const [i, body] of first.entries()) await send(i % 2 === 0 ? 'red' : 'blue', body, body === 'later' ? { delayTimeLevel: 1 } : {})
  await send('green', 'of another tag')
  const came = await consume([...first, FAILS_ONCE])
  for (const { body, topic, tags, keys, msgId } of came.filter(({ reconsumeTimes }) => reconsumeTimes === 0)) {
    const i = first.indexOf(String(body))
    t.match({ topic, tags, keys }, { topic: 'ons', tags: i % 2 === 0 ? 'red' : 'blue', keys: `key-${i} all` })
    if (first[i] !== 'later') t.equal(msgId, ids.get(first[i]!), 'the id that the sender was told')
  }
  t.same(
    came.filter(({ body }) => String(body) === FAILS_ONCE).map(({ topic, reconsumeTimes }) => [topic, reconsumeTimes]),
    [
      ['ons', 0],
      ['ons', 1],
    ],
  )
  const second = ['after', 'it', 'started', 'again']
  for (const body of second) await send('red', body)
  await consume(second)
  t.same(troubles, [])
})

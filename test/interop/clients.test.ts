/**
 * Official Java clients of 4.9 and of 5.3 (in remoting mode) send to a broker and consume from it; a scenario checks most itself and notes the facts
 * that are expected below. MILLRACE_INTEROP_JAVA=1 shows that Java's broker fulfils them, MILLRACE_CLIENTS=send,retry chooses among the scenarios.
 */
import t, { type Test } from 'tap'
import { type ClientLine, type ClientOptions, playClients } from './client-peer.js'
import { type Cluster, isJava, startCluster } from './cluster.js'
import type { Release } from './java-peer.js'

t.setTimeout(600_000)

type Expected = Record<string, [verdict: string, facts: object]>

/** By scenario: what it shows, and the facts. */
const scenarios: Expected = {
  send: ['synchronous, asynchronous and oneway sends make a topic, and are where the answers say', { answered: 40, oneway: 20, queues: 4 }],
  batch: ['a batch is in one queue in its order, each message with an id', { messages: 100 }],
  select: ['a message is in the queue that a selector or the sender chose', { messages: 44 }],
  bodies: ['bodies up to 4 MiB come as they were, compressed or not', { messages: 11, tooLong: 13 }],
  unicode: ['tags, keys, properties and bodies may hold any character', { tags: ['тег', '標籤', '🚀'] }],
  delay: ['delayed messages come when they are due, in their queues', {}],
  namespace: ['a namespace is part of names on the wire and of none that its clients see', { delivered: 12, pulled: 11 }],
  tags: ['a group gets the tags that it wants', { 'a || b': 20, Aa: 10, '*': 60 }],
  broadcast: ['each broadcasting consumer gets all, and goes on at its own offsets', { one: 40, two: 50, again: 10 }],
  restart: ['a group goes on where it stopped', { first: 20, second: 10 }],
  from: [
    'a new group begins at the first message of a young queue, whatever it asks for',
    { CONSUME_FROM_FIRST_OFFSET: 0, CONSUME_FROM_LAST_OFFSET: 0, CONSUME_FROM_TIMESTAMP: 0 },
  ],
  retry: [
    'what failed comes again after its delay, and ends in the dead letter queue',
    { failing: 3, thrown: 2, hopeless: 1, fine: 1, failingDead: 3, hopelessDead: 1 },
  ],
  'orderly-dead': ['what an orderly consumer gives up is in the dead letter queue, and the queue goes on', { order: ['0', '1', '2'] }],
  share: ['consumers that come and leave share the queues, and nothing is lost', { lost: 0 }],
  takeover: ['what a killed consumer had is consumed by another', { messages: 40 }],
  orderly: [
    'orderly consumers keep the order of each queue, over failures, when one of them comes and when one leaves',
    { messages: 200, failures: 4 },
  ],
  pull: ['a pull consumer pulls, waits, commits and sends back', { messages: 43 }],
  assign: ['a lite pull consumer with queues of its choice seeks and commits', { messages: 42, wanted: 10 }],
  subscribe: ['a lite pull consumer with a subscription goes on where it committed', { first: 20, later: 6 }],
  query: ['messages are found by key and by either id', { messages: 10 }],
  bounds: ['bounds, offsets of times and the earliest time of a queue are told', { messages: 10, ofTheFuture: 9 }],
}

/** A client of 5.x asks for the first message from a time on, which RocketMQ's broker does not know before 5.0. */
const of5: Expected = isJava
  ? {}
  : { bounds: ['a time that no message has reached is the end of the queue', { messages: 10, ofTheFuture: 10 }] }
const expectedOf: Record<Release, Expected> = { '4.9.7': scenarios, '5.3.3': { ...scenarios, ...of5 } }

const chosen = process.env.MILLRACE_CLIENTS?.split(',') ?? Object.keys(scenarios)
const choose = (...names: string[]) => names.filter((name) => chosen.includes(name))

/** A lite pull consumer of 5.x pulls with a request that RocketMQ's broker does not know before 5.0. */
const needs361 = ['assign', 'subscribe']

/**
 * Clients look at their queues anew when the broker tells them to, and not by themselves; but where a lock is refused they must. Those of 5.x do
 * it at most so often, by default once a second: a moment at which a heartbeat of their own can keep them from telling the broker for half a minute.
 */
const AT_MOST = { 'rocketmq.client.rebalance.minInterval': 100 }
const ONLY_WHEN_TOLD = { ...AT_MOST, 'rocketmq.client.rebalance.waitInterval': 3_600_000 }
const EVERY_SECOND = { ...AT_MOST, 'rocketmq.client.rebalance.waitInterval': 1000 }

/** How long a client of 4.9 keeps the lock of a queue that it gave up with messages in hand; 20 seconds by default. One of 5.x unlocks at once. */
const unlocking: Record<Release, Record<string, number>> = { '4.9.7': { 'rocketmq.client.unlockDelayTimeMills': 500 }, '5.3.3': {} }

async function play(t: Test, names: string[], options: ClientOptions, expected = expectedOf[options.release]): Promise<void> {
  if (names.length === 0) return
  const [client, ...lines] = await playClients(names, options)
  t.match(client, { header: options.properties?.['rocketmq.serialize.type'] ?? 'JSON' }, 'the header is of the kind that was asked for')
  for (const line of lines) check(t, line, expected)
}

function check(t: Test, line: ClientLine, expected: Expected): void {
  const [verdict, facts] = expected[line.scenario ?? ''] ?? [line.scenario]
  if (line.failed) t.fail(`${line.scenario}: ${verdict}`, { why: line.failed })
  else t.match(line, facts, `${line.scenario}: ${verdict}`)
}

async function playAll(t: Test, { nameServer }: Cluster, release: Release): Promise<void> {
  const prefix = (of: string) => `${of}-${release.replaceAll('.', '')}`
  const able = (names: string[]) => (isJava && release === '5.3.3' ? names.filter((name) => !needs361.includes(name)) : names)
  const told = { release, nameServer, prefix: prefix('told'), properties: ONLY_WHEN_TOLD }
  await t.test('clients that rebalance when they are told to', async (t) => {
    const names = Object.keys(scenarios).filter((name) => !name.startsWith('orderly'))
    await Promise.all([
      play(t, able(choose(...names)), { ...told, properties: { ...ONLY_WHEN_TOLD, 'rocketmq.client.localOffsetStoreDir': t.testdir({}) } }),
      choose('takeover').length > 0 && playClients(['hang'], { ...told, killAt: ({ scenario }) => scenario === 'hang' }),
    ])
  })
  await t.test('clients that rebalance every second', async (t) => {
    await play(t, choose('orderly', 'orderly-dead'), {
      ...told,
      prefix: prefix('often'),
      properties: { ...EVERY_SECOND, ...unlocking[release] },
    })
  })
  await t.test('clients with binary headers', async (t) => {
    const names = choose(
      'send',
      'batch',
      'unicode',
      'delay',
      'namespace',
      'tags',
      'restart',
      'retry',
      'share',
      'pull',
      'subscribe',
      'query',
      'bounds',
    )
    await play(t, able(names), {
      ...told,
      prefix: prefix('binary'),
      properties: { ...ONLY_WHEN_TOLD, 'rocketmq.serialize.type': 'ROCKETMQ' },
    })
  })
}

for (const release of ['4.9.7', '5.3.3'] as const) {
  t.test(`clients that go with ${release}`, async (t) => {
    await playAll(t, await startCluster(t), release)
  })
}

/** Nothing is in memory for such a broker, as if all was old. */
t.test('new groups on an old queue begin where they ask to', async (t) => {
  const { nameServer } = await startCluster(t, { accessMessageInMemoryMaxRatio: 0 })
  const facts = { CONSUME_FROM_FIRST_OFFSET: 0, CONSUME_FROM_LAST_OFFSET: 'after', CONSUME_FROM_TIMESTAMP: 20 }
  for (const release of ['4.9.7', '5.3.3'] as const) {
    const options = { release, nameServer, prefix: `old-${release.replaceAll('.', '')}`, properties: ONLY_WHEN_TOLD }
    await play(t, choose('from'), options, { from: [`first, last, or at a time, with ${release}`, facts] })
  }
})

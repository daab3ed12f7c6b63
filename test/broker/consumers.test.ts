/** Groups and their members: who is told of whom, what is remembered of where they are, and queues locked by one. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readConsumerConnections, readConsumerIds, readGroupList, readProducerConnections } from '#src/protocol/bodies/clients.js'
import { readLockedQueues, readTopicStats, writeQueueLockRequest } from '#src/protocol/bodies/message-queue.js'
import { parseFastjson } from '#src/protocol/fastjson.js'
import * as requests from '#src/protocol/requests/broker.js'
import type { RemotingPeer } from '../support/remoting.js'
import { heartbeat, messagesIn, pull, send, started, subscribe } from './started.js'

const list = async (peer: RemotingPeer, consumerGroup = 'CG') => {
  const { code, body } = await peer.ask(requests.GET_CONSUMER_LIST_BY_GROUP, { consumerGroup })
  return code === 0 ? readConsumerIds(body).sort() : code
}
const notices = (peer: RemotingPeer) => peer.pushed.splice(0).map(({ code, fields, flag }) => [code, fields?.consumerGroup, flag])
const settled = (...peers: RemotingPeer[]) =>
  Promise.all(peers.map((peer) => peer.ask(requests.GET_MAX_OFFSET, { topic: 'orders', queueId: 0 })))

t.test('members hear of each other, by heartbeat, unregistering and lost connections', async (t) => {
  const { broker, peer } = await started(t)
  const [one, two] = [await peer(), await peer()]
  t.equal(await list(one), 1)
  t.match(await one.ask(requests.GET_CONSUMER_LIST_BY_GROUP, { consumerGroup: 'CG' }), { remark: 'no consumer for this group, CG' })
  const answer = await heartbeat(one, 'c1')
  t.match(answer, { code: 0, fields: undefined, body: { length: 0 } })
  t.same(notices(one), [[40, 'CG', 2]], 'its own heartbeat too')
  t.ok(broker.store.config, 'a retry topic is there for tools')
  t.match(await pull(one, { topic: '%RETRY%CG' }), { code: 19 })
  await heartbeat(one, 'c1')
  t.same(notices(one), [], 'nothing new')
  await heartbeat(two, 'c2')
  t.same(await list(one), ['c1', 'c2'])
  t.same([notices(one), notices(two)], [[[40, 'CG', 2]], [[40, 'CG', 2]]])
  await heartbeat(two, 'c2', 'CG', [subscribe('orders', 'a', 9), subscribe('more')])
  await settled(one)
  t.equal(notices(one).length, 1, 'a topic more')
  notices(two)
  await two.ask(requests.UNREGISTER_CLIENT, { clientID: 'c2', consumerGroup: 'CG' })
  await settled(one)
  t.same([notices(one).length, notices(two).length, await list(one)], [1, 0, ['c1']])
  await heartbeat(two, 'c2')
  await settled(one)
  notices(one)
  two.close()
  while ((await list(one)) !== undefined && ((await list(one)) as string[]).length > 1);
  t.equal(notices(one).length, 1)
  t.match(await one.send({ code: 34, body: Buffer.from('no json') }), { code: 1, remark: /^com\.alibaba\.fastjson\.JSONException/ })
  t.match(await one.send({ code: 34 }), { code: 1, remark: /^java\.lang\.NullPointerException/ })
})

t.test('a client that is silent for two minutes is closed', async (t) => {
  let now = Date.now()
  const { peer } = await started(t, { now: () => now, sweepIntervalMs: 5 })
  const [one, two] = [await peer(), await peer()]
  await heartbeat(one, 'c1')
  await heartbeat(two, 'c2')
  now += 119_000
  await heartbeat(two, 'c2')
  now += 2000
  await one.closed()
  t.same(await list(two), ['c2'])
})

t.test('offsets are kept as Java keeps them, and are there after a restart', async (t) => {
  const { broker, peer } = await started(t)
  const one = await peer()
  await send(one)
  await send(one)
  const of = { consumerGroup: 'CG', topic: 'orders', queueId: 0 }
  const query = async (more: object = {}) => {
    const { code, answer } = await one.ask(requests.QUERY_CONSUMER_OFFSET, { ...of, ...more })
    return code === 0 ? answer.offset : code
  }
  t.equal(await query(), 0, 'a new group in a young queue begins with its first message')
  t.equal(await query({ queueId: 3 }), 0)
  t.equal(await query({ setZeroIfNotFound: false }), 22)
  t.match(await one.ask(requests.QUERY_CONSUMER_OFFSET, { ...of, setZeroIfNotFound: false }), {
    remark: 'Not found, V3_0_6_SNAPSHOT maybe this group consumer boot first',
    fields: {},
  })
  t.match(await one.ask(requests.UPDATE_CONSUMER_OFFSET, { ...of, commitOffset: 2 }), { code: 0 })
  t.equal(await query(), 2)
  await one.ask(requests.UPDATE_CONSUMER_OFFSET, { ...of, commitOffset: 1 })
  t.equal(await query(), 1, 'it may go back')
  await one.ask(requests.UPDATE_CONSUMER_OFFSET, { ...of, queueId: 5, commitOffset: 9 })
  await broker.close()
  const text = readFileSync(join(broker.store.directory, 'config', 'consumerOffset.json'), 'utf8')
  t.equal(text, '{\n\t"offsetTable":{\n\t\t"orders@CG":{0:1,5:9\n\t\t}\n\t}\n}')
  const warned: object[] = []
  const log = { info: () => {}, error: () => {}, warn: (details: object) => warned.push(details) }
  const again = await started(t, { settings: { storePathRootDir: broker.store.directory }, log })
  const two = await again.peer()
  t.match(await two.ask(requests.QUERY_CONSUMER_OFFSET, of), { answer: { offset: 1 } })
  t.match(
    await two.ask(requests.QUERY_CONSUMER_OFFSET, { ...of, queueId: 5 }),
    { answer: { offset: 0 } },
    'no offset lies behind its queue',
  )
  t.match(warned, [{ key: 'orders@CG', queueId: 5, offset: 9, end: 0 }])
})

t.test('a locked queue is one client of the group alone, for a minute', async (t) => {
  let now = Date.now()
  const { peer } = await started(t, { now: () => now })
  const one = await peer()
  const queue = (queueId: number) => ({ topic: 'orders', brokerName: 'broker-a', queueId })
  const lock = async (clientId: string, ...ids: number[]) => {
    const body = writeQueueLockRequest({ clientId, consumerGroup: 'CG', mqSet: ids.map(queue) })
    return readLockedQueues((await one.ask(requests.LOCK_BATCH_MQ, {}, body)).body).map(({ queueId }) => queueId)
  }
  t.same(await lock('c1', 0, 1), [0, 1])
  t.same(await lock('c2', 1, 2), [2])
  now += 50_000
  t.same(await lock('c1', 0), [0])
  now += 20_000
  t.same(await lock('c2', 0, 1), [1], 'the one that was asked for again is kept')
  await one.ask(requests.UNLOCK_BATCH_MQ, {}, writeQueueLockRequest({ clientId: 'c2', consumerGroup: 'CG', mqSet: [queue(0), queue(1)] }))
  t.same(await lock('c3', 0, 1), [1], "another's stays")
})

t.test('what a consumer could not do comes again, and ends with the dead letters', async (t) => {
  const { broker, peer } = await started(t, { settings: { messageDelayLevel: '1s 1s 1s 1s' } })
  const one = await peer()
  const { answer } = await send(one)
  const offset = Number.parseInt((answer.msgId as string).slice(16), 16)
  const back = (more: object = {}) =>
    one.ask(requests.CONSUMER_SEND_MSG_BACK, { offset, group: 'CG', delayLevel: 0, maxReconsumeTimes: 16, ...more })
  t.match(await back({ offset: 1 }), { code: 1, remark: 'look message by offset failed, 1' })
  t.match(await back({ offset: -1 }), { code: 1, remark: 'look message by offset failed, -1' })
  t.match(await back(), { code: 0, fields: undefined })
  t.equal(broker.store.bounds('SCHEDULE_TOPIC_XXXX', 2).maxOffset, 1, 'level 3')
  const again = await pull(one, { topic: '%RETRY%CG', sysFlag: requests.PULL_HAS_SUBSCRIPTION | requests.PULL_SUSPENDS })
  const [message] = messagesIn(again.body)
  t.match(message, { topic: '%RETRY%CG', reconsumeTimes: 1, tags: 'paid', keys: ['k1'] })
  t.equal(message?.body.toString(), 'hello')
  t.match(message?.properties, {
    RETRY_TOPIC: 'orders',
    ORIGIN_MESSAGE_ID: answer.msgId,
    DELAY: '3',
    REAL_TOPIC: '%RETRY%CG',
    REAL_QID: '0',
    WAIT: 'false',
    UNIQ_KEY: 'U1',
  })
  t.match(await back({ offset: message?.logOffset, maxReconsumeTimes: 1 }), { code: 0 })
  const [dead] = messagesIn((await pull(one, { topic: '%DLQ%CG' })).body)
  t.match(dead, { topic: '%DLQ%CG', reconsumeTimes: 2 })
  t.match(dead?.properties, { RETRY_TOPIC: 'orders', ORIGIN_MESSAGE_ID: answer.msgId, DELAY: '0' })
  t.match(await back({ delayLevel: -1 }), { code: 0 })
  t.equal(broker.store.bounds('%DLQ%CG', 0).maxOffset, 2)
  await one.ask(requests.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, {}, Buffer.from(JSON.stringify({ groupName: 'CG', retryQueueNums: 0 })))
  t.match(await back(), { code: 0 })
  t.equal(broker.store.bounds('%DLQ%CG', 0).maxOffset, 2, 'dropped, as that group wants it')
})

t.test('groups are made, changed, listed and deleted', async (t) => {
  const { broker, peer } = await started(t, { settings: { autoCreateSubscriptionGroup: false } })
  const one = await peer()
  await send(one)
  const table = async () =>
    (
      parseFastjson((await one.ask(requests.GET_ALL_SUBSCRIPTIONGROUP_CONFIG, {})).body.toString()) as never as Record<
        string,
        Record<string, unknown>
      >
    ).subscriptionGroupTable
  t.match(await pull(one), { code: 26 })
  t.match(await pull(one, { consumerGroup: 'CID_RMQ_SYS_X' }), { code: 0 }, 'groups of the system are made all the same')
  await one.ask(requests.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, {}, Buffer.from('{"groupName":"CG","retryMaxTimes":3}'))
  t.match(await table(), { CG: { retryMaxTimes: 3, retryQueueNums: 1, consumeEnable: true }, TOOLS_CONSUMER: {} })
  t.match(await one.send({ code: 200 }), { code: 1, remark: /NullPointerException/ })
  t.match(await one.send({ code: 200, body: Buffer.from('null') }), { code: 0 })
  await one.ask(requests.UPDATE_CONSUMER_OFFSET, { consumerGroup: 'CG', topic: 'orders', queueId: 0, commitOffset: 1 })
  await one.ask(requests.DELETE_SUBSCRIPTIONGROUP, { groupName: 'CG', cleanOffset: true })
  t.notOk('CG' in ((await table()) as object))
  t.equal((await one.ask(requests.GET_ALL_CONSUMER_OFFSET, {})).body.toString(), '{"offsetTable":{}}')
  await broker.close()
})

t.test('topics are made, changed, listed and deleted', async (t) => {
  const { peer } = await started(t)
  const one = await peer()
  const topic = { topic: 'made', defaultTopic: 'TBW102', readQueueNums: 8, writeQueueNums: 6, perm: 6, topicFilterType: 'SINGLE_TAG' }
  const table = async () =>
    (parseFastjson((await one.ask(requests.GET_ALL_TOPIC_CONFIG, {})).body.toString()) as never as Record<string, Record<string, unknown>>)
      .topicConfigTable
  t.match(await one.ask(requests.UPDATE_AND_CREATE_TOPIC, topic), { code: 0 })
  t.match(await table(), { made: { readQueueNums: 8, writeQueueNums: 6, perm: 6, order: false }, TBW102: { perm: 7 } })
  t.match(await one.ask(requests.UPDATE_AND_CREATE_TOPIC, { ...topic, topic: 'TBW102' }), {
    code: 1,
    remark: 'The topic[TBW102] is conflict with system topic.',
  })
  t.match(await one.ask(requests.UPDATE_AND_CREATE_TOPIC, { ...topic, topicFilterType: 'x' }), {
    code: 1,
    remark: /RemotingCommandException: topicFilterType = \[x\] value invalid/,
  })
  t.match(await one.ask(requests.UPDATE_AND_CREATE_TOPIC, { ...topic, topic: 'ö' }), { code: 1, remark: /illegal characters/ })
  t.match(await one.ask(requests.DELETE_TOPIC_IN_BROKER, { topic: 'made' }), { code: 0 })
  t.match(await one.ask(requests.DELETE_TOPIC_IN_BROKER, { topic: 'made' }), { code: 0 })
  t.notOk('made' in ((await table()) as object))
  t.match((await one.ask(requests.GET_SYSTEM_TOPIC_LIST_FROM_BROKER, {})).body.toString(), /"TBW102"/)
})

t.test('a topic that was deleted and made again begins behind its old messages, after a restart too', async (t) => {
  const first = await started(t)
  const one = await first.peer()
  for (let i = 0; i < 10; i++) await send(one, {}, `old ${i}`)
  t.match(await one.ask(requests.DELETE_TOPIC_IN_BROKER, { topic: 'orders' }), { code: 0 })
  t.match(await pull(one), { code: 17 }, 'there is no such topic')
  t.match((await send(one, {}, 'new')).answer, { queueOffset: 10 })
  t.match(await pull(one), { code: 21, fields: { nextBeginOffset: '10', minOffset: '10', maxOffset: '11' } })
  t.same(
    messagesIn((await pull(one, { queueOffset: 10 })).body).map(({ body }) => body.toString()),
    ['new'],
  )
  await first.broker.close()
  const second = await started(t, { settings: { storePathRootDir: first.broker.store.directory } })
  const two = await second.peer()
  t.match(await pull(two), { code: 21, fields: { nextBeginOffset: '10', minOffset: '10', maxOffset: '11' } })
})

t.test('a group that may not be made has members all the same; SQL92 is refused before a consumer starts', async (t) => {
  const { broker, peer } = await started(t, {
    settings: {
      autoCreateSubscriptionGroup: false,
      autoCreateTopicEnable: false,
      clusterTopicEnable: false,
      brokerTopicEnable: false,
      traceTopicEnable: true,
      notifyConsumerIdsChangedEnable: false,
    },
  })
  const one = await peer()
  await heartbeat(one, 'c1')
  t.same(await list(one), ['c1'])
  t.same(one.pushed, [], 'nobody is told where the broker’s settings say so')
  const check = (expressionType: string) =>
    one.send({
      code: 46,
      body: Buffer.from(
        JSON.stringify({ clientId: 'c', group: 'g', subscriptionData: { topic: 't', expressionType, subString: 'a = 1' } }),
      ),
    })
  t.match(await check('SQL92'), { code: 1, remark: 'The broker does not support consumer to filter message by SQL92' })
  t.match(await check('TAG'), { code: 0 })
  t.match((await one.ask(requests.GET_ALL_TOPIC_CONFIG, {})).body.toString(), /"RMQ_SYS_TRACE_TOPIC":/)
  t.notMatch((await one.ask(requests.GET_ALL_TOPIC_CONFIG, {})).body.toString(), /"TBW102":/)
  t.match(await send(one, { b: 'x', c: 'DefaultCluster' }), { code: 17 }, 'no topic is a template')
  t.equal(broker.statistics.connections, 1)
})

t.test('who consumes and produces, as tools list them', async (t) => {
  const { broker, peer } = await started(t)
  const one = await peer()
  await send(one)
  t.match(await one.ask(requests.GET_CONSUMER_CONNECTION_LIST, { consumerGroup: 'CG' }), {
    code: 206,
    remark: 'the consumer group[CG] not online',
    fields: undefined,
  })
  t.match(await one.ask(requests.GET_PRODUCER_CONNECTION_LIST, { producerGroup: 'PG' }), {
    code: 1,
    remark: 'the producer group[PG] not exist',
  })
  await heartbeat(one, 'c1', 'CG', [subscribe('orders', 'paid', 7)])
  const connection = { clientId: 'c1', clientAddr: /^127\.0\.0\.1:\d+$/, language: 'JAVA', version: 409 }
  const consumers = readConsumerConnections((await one.ask(requests.GET_CONSUMER_CONNECTION_LIST, { consumerGroup: 'CG' })).body)
  t.match(consumers, {
    connectionSet: [connection],
    consumeType: 'CONSUME_PASSIVELY',
    messageModel: 'CLUSTERING',
    consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET',
  })
  t.match([...consumers.subscriptionTable], [['orders', { subString: 'paid', subVersion: 7 }]])
  const producers = await one.ask(requests.GET_PRODUCER_CONNECTION_LIST, { producerGroup: 'CLIENT_INNER_PRODUCER' })
  t.match(readProducerConnections(producers.body), { connectionSet: [connection] })
  t.match(
    (await one.ask(requests.GET_ALL_PRODUCER_INFO, {})).body.toString(),
    /^\{"data":\{"CLIENT_INNER_PRODUCER":\[\{"clientId":"c1","language":"JAVA","lastUpdateTimestamp":\d+,"remoteIP":"\/127\.0\.0\.1:\d+","version":409\}\]\}\}$/,
  )
  await one.ask(requests.UPDATE_CONSUMER_OFFSET, { consumerGroup: 'other', topic: 'orders', queueId: 0, commitOffset: 1 })
  t.same(readGroupList((await one.ask(requests.QUERY_TOPIC_CONSUME_BY_WHO, { topic: 'orders' })).body).sort(), ['CG', 'other'])
  t.match(await one.ask(requests.GET_TOPIC_STATS_INFO, { topic: 'none' }), { code: 17, remark: 'topic[none] not exist' })
  const stats = [...readTopicStats((await one.ask(requests.GET_TOPIC_STATS_INFO, { topic: 'orders' })).body)]
  t.match(stats[0], [
    { brokerName: 'broker-a', topic: 'orders', queueId: 0 },
    { minOffset: 0, maxOffset: 1, lastUpdateTimestamp: (await broker.store.timeSpan())?.latest },
  ])
  t.match(stats[3], [{ queueId: 3 }, { minOffset: 0, maxOffset: 0, lastUpdateTimestamp: 0 }])
})

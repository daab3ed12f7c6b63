/** Pulling: what is found, what is answered where there is nothing, and waiting for it. */
import t from 'tap'
import * as requests from '#src/protocol/requests/broker.js'
import { heartbeat, messagesIn, pull, pulling, send, started, subscribe } from './started.js'

const { PULL_HAS_SUBSCRIPTION: HAS, PULL_SUSPENDS: SUSPENDS, PULL_COMMITS: COMMITS } = requests

t.test('every status has its code and offsets', async (t) => {
  const { peer } = await started(t)
  const one = await peer()
  await send(one)
  await send(one, { i: 'TAGS\u0001open' })
  const answer = async (fields: object) => {
    const { code, remark, fields: got } = await pull(one, fields)
    return [code, remark, Number(got?.nextBeginOffset), Number(got?.minOffset), Number(got?.maxOffset)]
  }
  t.same(await answer({}), [0, 'FOUND', 2, 0, 2])
  t.same(await answer({ maxMsgNums: 0 }), [0, 'FOUND', 1, 0, 2], '0 is 1')
  t.same(await answer({ queueOffset: 2 }), [19, 'OFFSET_OVERFLOW_ONE', 2, 0, 2])
  t.same(await answer({ queueOffset: 9 }), [21, 'OFFSET_OVERFLOW_BADLY', 2, 0, 2])
  t.same(await answer({ queueOffset: 2 ** 60 }), [21, 'OFFSET_OVERFLOW_BADLY', 2, 0, 2])
  t.same(await answer({ queueOffset: -1 }), [21, 'OFFSET_TOO_SMALL', 0, 0, 2])
  t.same(await answer({ subscription: 'nobody' }), [20, 'NO_MATCHED_MESSAGE', 2, 0, 2])
  t.same(await answer({ queueId: 1 }), [19, 'NO_MESSAGE_IN_QUEUE', 0, 0, 0])
  t.same(await answer({ queueId: 1, queueOffset: 1 }), [21, 'NO_MESSAGE_IN_QUEUE', 0, 0, 0])
  t.same(await answer({ queueId: 1, queueOffset: -1 }), [21, 'NO_MESSAGE_IN_QUEUE', 0, 0, 0])
  t.same(
    messagesIn((await pull(one, { subscription: 'open || none' })).body).map(({ tags }) => tags),
    ['open'],
  )
  t.same(messagesIn((await one.ask(requests.LITE_PULL_MESSAGE, pulling)).body).length, 2, "5.x's code")
})

t.test('what is refused is refused as RocketMQ does', async (t) => {
  const { peer } = await started(t)
  const one = await peer()
  await send(one)
  t.match(await pull(one, { topic: 'none' }), { code: 17, remark: /^topic\[none\] not exist, apply first please! \nSee/, fields: {} })
  t.match(await pull(one, { consumerGroup: undefined }), { code: 1, remark: /NullPointerException/ })
  t.match(await pull(one, { queueId: 4 }), {
    code: 1,
    remark: /^queueId\[4\] is illegal, topic:\[orders\] topicConfig\.readQueueNums:\[4\] consumer:\[\/127\.0\.0\.1:\d+\]$/,
  })
  t.match(await pull(one, { queueId: -1 }), { code: 1 })
  t.match(await pull(one, { subscription: '||' }), { code: 23, remark: "parse the consumer's subscription failed" })
  t.match(await pull(one, { expressionType: 'SQL92', subscription: 'a = 1' }), {
    code: 1,
    remark: 'The broker does not support consumer to filter message by SQL92',
  })
  t.match(await pull(one, { expressionType: 'OTHER', subscription: 'nobody' }), { code: 0 }, 'an unknown kind matches everything')
  t.match(await pull(one, { sysFlag: 0 }), { code: 24, remark: /^the consumer's group info not exist\nSee/ })
  await heartbeat(one, 'c1', 'CG', [subscribe('other')])
  t.match(await pull(one, { sysFlag: 0 }), { code: 24, remark: /^the consumer's subscription not exist\nSee/ })
  await heartbeat(one, 'c1', 'CG', [subscribe('orders', 'paid', 5)])
  t.match(await pull(one, { sysFlag: 0, subVersion: 6 }), { code: 25, remark: "the consumer's subscription not latest" })
  t.match(await pull(one, { sysFlag: 0, subVersion: 5 }), { code: 0 })
  const group = { groupName: 'CG', consumeBroadcastEnable: false }
  await one.ask(requests.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, {}, Buffer.from(JSON.stringify(group)))
  await heartbeat(one, 'c1', 'CG', [subscribe('orders', 'paid', 5)], { messageModel: 'BROADCASTING' })
  t.match(await pull(one, { sysFlag: 0 }), { code: 16, remark: 'the consumer group[CG] can not consume by broadcast way' })
  await one.ask(requests.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, {}, Buffer.from(JSON.stringify({ groupName: 'CG', consumeEnable: false })))
  t.match(await pull(one), { code: 16, remark: 'subscription group no permission, CG' })
  t.match(await one.send({ code: 11, fields: { consumerGroup: 'CG', topic: 'orders' } }), {
    code: 1,
    remark: /NullPointerException/,
    fields: undefined,
  })
  const topic = { topic: 'orders', defaultTopic: 'TBW102', readQueueNums: 4, writeQueueNums: 4, perm: 2, topicFilterType: 'SINGLE_TAG' }
  await one.ask(requests.UPDATE_AND_CREATE_TOPIC, topic)
  t.match(await pull(one, { consumerGroup: 'other' }), { code: 16, remark: 'the topic[orders] pulling message is forbidden' })
})

t.test('who waits is answered by the next message that matches, and not by others', async (t) => {
  const { peer } = await started(t)
  const [one, two] = [await peer(), await peer()]
  await send(one)
  const held = pull(two, { queueOffset: 1, sysFlag: HAS | SUSPENDS, subscription: 'paid' })
  const other = pull(two, { queueId: 1, sysFlag: HAS | SUSPENDS })
  let answered = 0
  for (const waiting of [held, other]) void waiting.then(() => answered++)
  await send(one, { i: 'TAGS\u0001open' })
  await two.ask(requests.GET_MAX_OFFSET, { topic: 'orders', queueId: 0 })
  t.equal(answered, 0)
  await send(one)
  const found = await held
  t.match(found, { code: 0, answer: { nextBeginOffset: 3 } })
  t.same(
    messagesIn(found.body).map(({ queueOffset }) => queueOffset),
    [2],
  )
  t.equal(answered, 1)
  await send(one, { e: 1 })
  t.match(await other, { code: 0, answer: { nextBeginOffset: 1 } })
})

t.test('who has waited its time is told that there is nothing; what did not match is passed over then', async (t) => {
  let now = Date.now()
  const { peer } = await started(t, { now: () => now, sweepIntervalMs: 5 })
  const one = await peer()
  await send(one)
  const at = (offset: number, more: object = {}) => pull(one, { queueOffset: offset, sysFlag: HAS | SUSPENDS, ...more })
  const [empty, unmatched] = [at(1), at(1, { subscription: 'nobody', queueId: 0 })]
  await one.ask(requests.GET_MAX_OFFSET, { topic: 'orders', queueId: 0 })
  now += 16_000
  t.match(await empty, { code: 19, remark: 'OFFSET_OVERFLOW_ONE', fields: { nextBeginOffset: '1' } })
  t.match(await unmatched, { code: 19 })
  const later = at(1, { subscription: 'nobody' })
  await send(one)
  t.match(await later, { code: 20, fields: { nextBeginOffset: '2' } })
})

t.test('a pull commits; held pulls are answered when the broker closes, and end with their connection', async (t) => {
  const { broker, peer } = await started(t)
  const [one, two] = [await peer(), await peer()]
  await send(one)
  const waiting = pull(one, { queueOffset: 1, sysFlag: HAS | SUSPENDS | COMMITS, commitOffset: 1 })
  t.match(await two.ask(requests.QUERY_CONSUMER_OFFSET, { consumerGroup: 'CG', topic: 'orders', queueId: 0 }), { answer: { offset: 1 } })
  void pull(two, { queueOffset: 1, sysFlag: HAS | SUSPENDS }).catch(() => {})
  await two.ask(requests.GET_MAX_OFFSET, { topic: 'orders', queueId: 0 })
  two.close()
  await two.closed()
  t.match(await Promise.all([waiting, broker.close()]), [{ code: 19 }])
})

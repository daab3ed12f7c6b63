/** Sending: what is stored, what is answered, and what is refused in which words. */
import t from 'tap'
import { writeBatch } from '#src/protocol/bodies/batch.js'
import { BINARY_HEADER } from '#src/protocol/frame.js'
import * as requests from '#src/protocol/requests/broker.js'
import { messagesIn, peerOf, pull, send, sending, started } from './started.js'

t.test('a message of either form is stored as it was sent, and pulled', async (t) => {
  const { broker, peer } = await started(t)
  const one = await peer()
  const first = await send(one)
  t.match(first, { code: 0, remark: undefined, fields: { queueId: '0', TRACE_ON: 'true', MSG_REGION: 'DefaultRegion', queueOffset: '0' } })
  t.equal(first.answer.msgId?.slice(0, 16), `7F000001${Number(broker.address.split(':')[1]).toString(16).toUpperCase().padStart(8, '0')}`)
  const v1 = {
    ...{ producerGroup: 'PG', topic: 'orders', defaultTopic: 'TBW102', defaultTopicQueueNums: 4, queueId: 0, sysFlag: 1 },
    ...{ bornTimestamp: 5, flag: 7, properties: 'a\u0001b\u0002' },
  }
  t.match(await one.ask(requests.SEND_MESSAGE, v1, Buffer.from('packed')), { code: 0, answer: { queueOffset: 1 } })
  one.type = BINARY_HEADER
  t.match(await send(one, { e: -1 }), { code: 0 })
  const { body, fields, remark } = await pull(one)
  t.match({ fields, remark }, { remark: 'FOUND', fields: { nextBeginOffset: /^[23]$/, minOffset: '0', suggestWhichBrokerId: '0' } })
  const [a, b] = messagesIn(body)
  t.match(a, { topic: 'orders', queueId: 0, tags: 'paid', keys: ['k1'], bornTimestamp: 1_700_000_000_000, storeHost: broker.address })
  t.match(a?.bornHost, /^127\.0\.0\.1:\d+$/)
  t.same(
    { ...a?.properties },
    { TAGS: 'paid', KEYS: 'k1', UNIQ_KEY: 'U1', CLUSTER: 'DefaultCluster' },
    'WAIT is taken out, the cluster put in',
  )
  t.equal(a?.body.toString(), 'hello')
  t.match(b, { flag: 7, sysFlag: 1, bornTimestamp: 5 })
  t.equal(b?.body.toString(), 'packed')
})

t.test('a batch gets numbers that follow each other, and one answer', async (t) => {
  const { peer } = await started(t)
  const one = await peer()
  const batch = writeBatch(
    [1, 2, 3].map((n) => ({ body: Buffer.from(`b${n}`), properties: `UNIQ_KEY\u0001U${n}\u0002WAIT\u0001true`, flag: n })),
  )
  const { code, answer } = await one.ask(requests.SEND_BATCH_MESSAGE, { ...sending, i: 'WAIT\u0001true', m: true }, batch)
  t.equal(code, 0)
  t.equal(answer.msgId?.split(',').length, 3)
  t.equal(answer.queueOffset, 0)
  const messages = messagesIn((await pull(one)).body)
  t.same(
    messages.map(({ flag, queueOffset, properties }) => [flag, queueOffset, properties.WAIT]),
    [
      [1, 0, 'true'],
      [2, 1, 'true'],
      [3, 2, 'true'],
    ],
  )
  t.match(await one.ask(requests.SEND_BATCH_MESSAGE, { ...sending, m: true }, batch.subarray(0, 30)), {
    code: 1,
    remark: /BufferUnderflowException/,
  })
})

t.test('what is refused is refused as RocketMQ does', async (t) => {
  const { peer } = await started(t, { settings: { maxMessageSize: 1000 } })
  const one = await peer()
  await send(one)
  const region = { TRACE_ON: 'true', MSG_REGION: 'DefaultRegion' }
  t.same((await send(one, { b: ' ' })).fields, region)
  t.match(await send(one, { b: '' }), { code: 1, remark: 'The specified topic is blank.' })
  t.match(await send(one, { b: 'ä' }), {
    code: 1,
    remark: 'The specified topic contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$',
  })
  t.match(await send(one, { b: 'x'.repeat(128) }), { code: 1, remark: 'The specified topic is longer than topic max length.' })
  for (const topic of ['SCHEDULE_TOPIC_XXXX', 'RMQ_SYS_TRANS_HALF_TOPIC', 'SELF_TEST_TOPIC', 'OFFSET_MOVED_EVENT'])
    t.match(await send(one, { b: topic }), { code: 16, remark: `Sending message to topic[${topic}] is forbidden.`, fields: region })
  t.match(await send(one, { b: 'other', c: 'nothing' }), { code: 17, remark: /^topic\[other\] not exist, apply first please!\nSee http/ })
  t.match(await send(one, { e: 4 }), {
    code: 1,
    remark:
      /^request queueId\[4\] is illegal, TopicConfig \[topicName=orders, readQueueNums=4, writeQueueNums=4, perm=RW-, topicFilterType=SINGLE_TAG, topicSysFlag=0, order=false\] Producer: 127\.0\.0\.1:\d+$/,
  })
  t.match(await send(one, {}, 'x'.repeat(1001)), { code: 13, remark: /^the message is illegal.*limit 1000B, / })
  t.match(await send(one, { i: `a\u0001${'x'.repeat(32767)}` }), { code: 13 })
  t.match(await send(one, { i: 'TRAN_MSG\u0001true' }), {
    code: 16,
    remark: 'the broker[127.0.0.1] sending transaction message is forbidden',
  })
  t.match(await one.send({ code: 310 }), { code: 1, remark: 'The specified topic is blank.', fields: region })
  t.match(await one.send({ code: 310, fields: { ...requests.SEND_MESSAGE_V2.fields.write(sending), e: 'one' } }), {
    code: 1,
    remark: /^java\.lang\.NumberFormatException: For input string: "one"/,
    fields: undefined,
  })
  t.match(await one.send({ code: 999 }), { code: 3, remark: ' request type 999 not supported' })
})

t.test('topics come from TBW102 where that is allowed, and stay', async (t) => {
  const { broker, peer } = await started(t)
  const one = await peer()
  await send(one, { b: 'two', d: 2 })
  t.match(await send(one, { b: 'two', e: 2 }), { code: 1, remark: /readQueueNums=2/ })
  await send(one, { b: 'many', d: 20, e: 7 })
  await broker.close()
  const again = await started(t, { settings: { storePathRootDir: broker.store.directory, autoCreateTopicEnable: false } })
  const two = await again.peer()
  t.match(await send(two, { b: 'many', e: 7 }), { code: 0 })
  t.match(await send(two, { b: 'many', e: 8 }), { code: 1 })
  t.match(await send(two, { b: 'new' }), { code: 17 })
  t.match(await send(two, { b: 'new', c: 'DefaultCluster' }), { code: 0 }, 'the cluster is a template too')
})

t.test('a retry topic needs no template; after the last try it is the dead letters', async (t) => {
  const { broker, peer } = await started(t)
  const one = await peer()
  t.match(await send(one, { b: '%RETRY%CG', c: 'none' }), { code: 0 })
  t.match(await send(one, { b: '%RETRY%CG', c: 'none', j: 16 }), { code: 0 })
  t.match(await send(one, { b: '%RETRY%CG', j: 2, l: 2 }), { code: 0 })
  one.version = 120
  t.match(await send(one, { b: '%RETRY%CG', j: 2, l: 2 }), { code: 0 }, 'an old client knows no limit of its own')
  t.match(broker.store.bounds('%RETRY%CG', 0), { maxOffset: 2 })
  t.match(broker.store.bounds('%DLQ%CG', 0), { maxOffset: 2 })
})

t.test('the second port takes sends and no pulls', async (t) => {
  const { broker } = await started(t)
  const [host, port] = broker.address.split(':')
  const vip = await peerOf(t, `${host}:${Number(port) - 2}`)
  const usual = await peerOf(t, broker.address)
  for (let i = 0; i < 3; i++) {
    t.match(await send(vip), { code: 0 })
    t.match(await pull(vip), { code: 3, remark: ' request type 11 not supported' })
    t.match(await pull(usual), { code: 0 })
  }
})

t.test('a master without slaves that must wait for one says so, and keeps the message', async (t) => {
  const { peer } = await started(t, { settings: { brokerRole: 'SYNC_MASTER' } })
  const one = await peer()
  t.match(await send(one), { code: 11, answer: {} })
  t.equal(messagesIn((await pull(one)).body).length, 1)
  t.match(await send(one, { i: 'WAIT\u0001false' }), { code: 0 }, 'who does not wait is not told')
})

t.test('oneway sends are stored and not answered', async (t) => {
  const { broker, peer } = await started(t)
  const one = await peer()
  void one.send({ code: 310, flag: 2, fields: requests.SEND_MESSAGE_V2.fields.write(sending), body: Buffer.from('x') }).catch(() => {})
  await send(one)
  t.equal(broker.store.bounds('orders', 0).maxOffset, 2)
  t.equal(one.pushed.length, 0)
})

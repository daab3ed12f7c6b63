/** Bounds, times, keys, ids and settings, as tools and consumers ask for them. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import * as requests from '#src/protocol/requests/broker.js'
import { messagesIn, send, started } from './started.js'

t.test('where a queue begins and ends, and which offset stands for a time', async (t) => {
  const { broker, peer } = await started(t)
  const one = await peer()
  const queue = { topic: 'orders', queueId: 0 }
  const offset = async (request: typeof requests.GET_MAX_OFFSET | typeof requests.GET_MIN_OFFSET, more: object = {}) =>
    (await one.ask(request, { ...queue, ...more })).answer.offset
  t.same([await offset(requests.GET_MAX_OFFSET), await offset(requests.GET_MIN_OFFSET)], [0, 0])
  t.match(await one.ask(requests.GET_EARLIEST_MSG_STORETIME, queue), { answer: { timestamp: -1 } })
  for (let i = 0; i < 3; i++) {
    await send(one)
    await sleep(5)
  }
  t.same([await offset(requests.GET_MAX_OFFSET), await offset(requests.GET_MIN_OFFSET)], [3, 0])
  t.same([await offset(requests.GET_MAX_OFFSET, { queueId: -1 }), await offset(requests.GET_MIN_OFFSET, { topic: 'none' })], [0, 0])
  const times = (await broker.store.pull({ ...queue, offset: 0 })).messages.map(({ storeTimestamp }) => storeTimestamp)
  t.match(await one.ask(requests.GET_EARLIEST_MSG_STORETIME, queue), { answer: { timestamp: times[0] } })
  const at = async (timestamp: number, more: object = {}) =>
    (await one.ask(requests.SEARCH_OFFSET_BY_TIMESTAMP, { ...queue, timestamp, ...more })).answer.offset
  t.same([await at(times[1] as number), await at(0), await at(2 ** 60)], [1, 0, 2], "4.9's rule")
  t.same([await at(2 ** 60, { boundaryType: 'LOWER' }), await at((times[1] as number) + 1, { boundaryType: 'lower' })], [3, 2], "5.x's")
  t.equal(await at(5, { topic: 'none' }), 0)
})

t.test('messages by key, unique id and offset id', async (t) => {
  const { broker, peer } = await started(t)
  const one = await peer()
  await send(one, {}, 'first')
  await send(one, { i: 'KEYS\u0001k1 k2\u0002UNIQ_KEY\u0001U2' }, 'second')
  await broker.store.flush()
  const query = { topic: 'orders', maxNum: 64, beginTimestamp: 0, endTimestamp: Number.MAX_SAFE_INTEGER }
  const bodies = async (key: string, more: object = {}) =>
    messagesIn((await one.ask(requests.QUERY_MESSAGE, { ...query, key, ...more })).body).map(({ body }) => body.toString())
  t.same(await bodies('k1'), ['second', 'first'])
  t.same(await bodies('k1', { maxNum: 1 }), ['second'])
  t.same(await bodies('U1', { maxNum: 1, _UNIQUE_KEY_QUERY: 'true' }), ['first'])
  t.match(await one.ask(requests.QUERY_MESSAGE, { ...query, key: 'none' }), {
    code: 22,
    remark: 'can not find message, maybe time range not correct',
    fields: { indexLastUpdateTimestamp: '0', indexLastUpdatePhyoffset: '0' },
  })
  const { logOffset } = (await broker.store.pull({ topic: 'orders', queueId: 0, offset: 1 })).messages[0]!
  t.match(messagesIn((await one.ask(requests.VIEW_MESSAGE_BY_ID, { offset: logOffset })).body), [{ uniqueKey: 'U2' }])
  for (const offset of [logOffset + 1, -1, 2 ** 60])
    t.match(await one.ask(requests.VIEW_MESSAGE_BY_ID, { offset }), { code: 1, remark: /^can not find message by the offset, / })
})

t.test('the settings, as tools read them', async (t) => {
  const { peer } = await started(t)
  const { body, answer } = await (await peer()).ask(requests.GET_BROKER_CONFIG, {})
  t.match(answer.version, /^\{"counter":\d+,"timestamp":\d+\}$/)
  for (const name of [
    'brokerName=broker-a',
    'brokerClusterName=DefaultCluster',
    'brokerId=0',
    'brokerRole=ASYNC_MASTER',
    'fileReservedTime=72',
    'flushDiskType=ASYNC_FLUSH',
  ])
    t.ok(body.toString().split('\n').includes(name), name)
})

t.test('what asks for nothing gets nothing', async (t) => {
  const { peer } = await started(t, { settings: { mappedFileSizeCommitLog: 16 << 20 } })
  const one = await peer()
  await send(one, { i: 'KEYS\u0001k1' })
  t.match(await one.ask(requests.SEARCH_OFFSET_BY_TIMESTAMP, { topic: 'orders', queueId: -1, timestamp: 0 }), { answer: { offset: 0 } })
  t.match(await one.ask(requests.GET_EARLIEST_MSG_STORETIME, { topic: 'orders', queueId: -1 }), { answer: { timestamp: -1 } })
  const query = { topic: 'orders', key: 'k1', maxNum: 64, beginTimestamp: -5, endTimestamp: Number.MAX_SAFE_INTEGER }
  t.equal(messagesIn((await one.ask(requests.QUERY_MESSAGE, query)).body).length, 1)
  for (const more of [{ maxNum: 0 }, { key: '' }, { endTimestamp: -1 }])
    t.match(await one.ask(requests.QUERY_MESSAGE, { ...query, ...more }), { code: 22 })
  for (let i = 0; i < 4; i++) await send(one, { i: 'KEYS\u0001big' }, 'x'.repeat(3 << 20))
  t.equal(messagesIn((await one.ask(requests.QUERY_MESSAGE, { ...query, key: 'big' })).body).length, 2, 'as many as a frame has room for')
})

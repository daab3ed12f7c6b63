/** What is said where something can't be done, of each cause; and where a broker says that it is. */
import t from 'tap'
import { addressesOf } from '#src/broker/addresses.js'
import type { BrokerContext } from '#src/broker/context.js'
import { putRefusal } from '#src/broker/refusals.js'
import { defaultBrokerSettings } from '#src/broker/settings.js'
import { type StoreErrorCode, storeError } from '#src/errors.js'
import * as requests from '#src/protocol/requests/broker.js'
import { UPDATE_AND_CREATE_TOPIC } from '#src/protocol/requests/broker.js'
import { pull, send, started } from './started.js'

t.test('each refusal of the store has its code and words', async (t) => {
  const context = { settings: defaultBrokerSettings(), store: { directory: t.testdir({}) } } as unknown as BrokerContext
  const refused = (code: StoreErrorCode) => putRefusal(context, storeError(code as 'IO_ERROR', { reason: 'r' })).code
  t.same(
    (
      [
        'MESSAGE_ILLEGAL',
        'PROPERTIES_SIZE_EXCEEDED',
        'DISK_FULL',
        'STORE_FAILED',
        'STORE_READ_ONLY',
        'SYNC_FAILED',
        'PAGECACHE_BUSY',
        'TOO_MANY_WAITING',
        'SEGMENT_CREATE_FAILED',
      ] as const
    ).map(refused),
    [13, 13, 14, 14, 14, 14, 1, 2, 1],
  )
  t.match(putRefusal(context, storeError('PAGECACHE_BUSY', { reason: 'r' })), {
    remark: '[PC_SYNCHRONIZED]broker busy, start flow control for a while',
  })
  t.match(putRefusal(context, storeError('SEGMENT_CREATE_FAILED', { reason: 'r' })), {
    remark: 'create mapped file failed, server is busy or broken.',
  })
  t.throws(() => refused('IO_ERROR'), { code: 'IO_ERROR' })
  t.throws(() => putRefusal(context, new TypeError('a slip')), { message: 'a slip' })
})

t.test('it is found on the interface that it listens to, or on the one that leads outside', async (t) => {
  const of = (more: object, bindAddressGiven = true) =>
    addressesOf({ ...defaultBrokerSettings(), listenPort: 1234, ...more }, { bindAddressGiven })
  t.same(await of({}), { brokerIP1: '127.0.0.1', listenPort: 1234 })
  t.same(await of({ bindAddress: 'localhost' }), { brokerIP1: '127.0.0.1', listenPort: 1234 })
  t.same(await of({ bindAddress: '10.0.0.7' }), { brokerIP1: '10.0.0.7', listenPort: 1234 })
  t.match((await of({ bindAddress: '0.0.0.0' })).brokerIP1, /^(?!0\.0)[\d.]+$|:/)
  t.same(await of({ brokerIP1: '127.0.0.9' }, false), { brokerIP1: '127.0.0.9', listenPort: 1234 })
  await t.rejects(of({ brokerIP1: '10.0.0.7' }, false), { code: 'INVALID_SETTING', message: /bindAddress=0\.0\.0\.0/ })
  await t.rejects(of({ bindAddress: '192.0.2.1', listenPort: 0 }), { code: 'IO_ERROR', message: /no two free ports/ })
})

t.test('permissions of broker and topic, and the time from which on sends are taken', async (t) => {
  const { broker } = await started(t)
  const topic = { topic: 'orders', defaultTopic: 'TBW102', readQueueNums: 4, writeQueueNums: 4, perm: 6, topicFilterType: 'SINGLE_TAG' }
  await broker.close()
  const unable = await started(t, { settings: { startAcceptSendRequestTimeStamp: Date.UTC(2100, 0, 1) } })
  t.match(await send(await unable.peer()), {
    code: 1,
    remark: /^broker unable to service, until (2100-01-01|2099-12-31) \d\d:\d\d:\d\d,000$/,
  })
  const reading = await started(t, { settings: { brokerPermission: 4 } })
  const one = await reading.peer()
  await one.ask(UPDATE_AND_CREATE_TOPIC, topic)
  t.match(await send(one), { code: 0 }, 'a topic without order takes messages all the same')
  t.match(await one.ask(requests.CONSUMER_SEND_MSG_BACK, { offset: 0, group: 'CG', delayLevel: 0 }), {
    code: 16,
    remark: 'the broker[127.0.0.1] sending message is forbidden',
  })
  const writing = await started(t, { settings: { brokerPermission: 2, autoCreateSubscriptionGroup: false } })
  const two = await writing.peer()
  await send(two)
  t.match(await pull(two), { code: 16, remark: 'the broker[127.0.0.1] pulling message is forbidden' })
  t.match(await two.ask(requests.CONSUMER_SEND_MSG_BACK, { offset: 0, group: 'CG', delayLevel: 0 }), {
    code: 26,
    remark: /^subscription group not exist, CG /,
  })
  t.match(await send(two, { b: '%RETRY%none' }), { code: 26 })
  await two.ask(requests.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, {}, Buffer.from('{"groupName":"CG"}'))
  await two.ask(UPDATE_AND_CREATE_TOPIC, { ...topic, topic: '%RETRY%CG', perm: 4 })
  t.match(await two.ask(requests.CONSUMER_SEND_MSG_BACK, { offset: 0, group: 'CG', delayLevel: 0 }), {
    code: 16,
    remark: 'the topic[%RETRY%CG] sending message is forbidden',
  })
  t.match(await send(two, { b: '%RETRY%CG', e: 9 }), {
    code: 1,
    remark: /^request queueId\[9\] is illegal, TopicConfig \[topicName=%RETRY%CG, .*perm=R--/,
  })
})

/** A broker from start to end: settings that it does not start with, registration, shutting down, disks that are full, and what a crash leaves. */
import { cpSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { Broker } from '#src/broker/broker.js'
import type { BrokerContext } from '#src/broker/context.js'
import { sendMessageV2 } from '#src/broker/handlers/send-message.js'
import { waitedTooLong } from '#src/broker/refusals.js'
import { defaultBrokerSettings } from '#src/broker/settings.js'
import { NameServer } from '#src/namesrv/name-server.js'
import { readTopicRoute } from '#src/protocol/bodies/topic-route.js'
import { type Command, writeCommand } from '#src/protocol/command.js'
import { parseFastjson } from '#src/protocol/fastjson.js'
import { JSON_HEADER } from '#src/protocol/frame.js'
import * as requests from '#src/protocol/requests/broker.js'
import { GET_ROUTEINFO_BY_TOPIC, PUT_KV_CONFIG } from '#src/protocol/requests/namesrv.js'
import type { Connection } from '#src/remoting/connection.js'
import { newDirectory } from '../store/stores.js'
import { messagesIn, peerOf, pull, pulling, send, sending, settings, started } from './started.js'

t.test('it registers with every name server, again when a topic changes, and takes that back', async (t) => {
  const servers = await Promise.all(
    ['a', 'b'].map((name) => NameServer.start({ settings: { listenPort: 0, kvConfigPath: newDirectory(t) + name } })),
  )
  for (const server of servers) t.teardown(() => server.close())
  const warned: object[] = []
  const log = { info: () => {}, error: () => {}, warn: (details: object) => warned.push(details) }
  const clients = await Promise.all(servers.map(({ address }) => peerOf(t, address)))
  await clients[0]!.ask(PUT_KV_CONFIG, { namespace: 'ORDER_TOPIC_CONFIG', key: 'ordered', value: 'broker-a:2' })
  const namesrvAddr = [...servers.map(({ address }) => address), '127.0.0.1:1'].join(';')
  const { broker, peer } = await started(t, { settings: { namesrvAddr }, log })
  t.match(warned, [{ nameServer: '127.0.0.1:1', reason: /ECONNREFUSED/ }])
  const route = async (topic: string) => Promise.all(clients.map((client) => client.ask(GET_ROUTEINFO_BY_TOPIC, { topic })))
  for (const { code, body } of await route('TBW102')) {
    t.equal(code, 0)
    t.match(readTopicRoute(body), { queueDatas: [{ brokerName: 'broker-a', perm: 7, readQueueNums: 8 }] })
    t.same([...readTopicRoute(body).brokerDatas[0]!.brokerAddrs], [[0, broker.address]])
  }
  const one = await peer()
  const topic = { topic: 'ordered', defaultTopic: 'TBW102', readQueueNums: 2, writeQueueNums: 2, perm: 6, topicFilterType: 'SINGLE_TAG' }
  await one.ask(requests.UPDATE_AND_CREATE_TOPIC, topic)
  for (const { code } of await route('ordered')) t.equal(code, 0, 'known when the request is answered')
  t.match((await one.ask(requests.GET_ALL_TOPIC_CONFIG, {})).body.toString(), /"ordered":\{"order":true/)
  await broker.close()
  for (const { code } of await route('ordered')) t.equal(code, 17)
})

t.test('what it does not start with is told, and nothing is left behind', async (t) => {
  const storePathRootDir = newDirectory(t)
  const refused = (more: object, error: { code: string; message?: RegExp }) =>
    t.rejects(Broker.start({ settings: { ...settings, storePathRootDir, ...more } as never }), error)
  await refused({ listenPort: -1 }, { code: 'INVALID_SETTING' })
  await refused({ nothing: 1 }, { code: 'INVALID_SETTING' })
  await refused({ aclEnable: true }, { code: 'INVALID_SETTING', message: /aclEnable/ })
  await refused({ brokerRole: 'SLAVE' }, { code: 'INVALID_SETTING' })
  await refused({ brokerIP1: '192.0.2.1' }, { code: 'INVALID_SETTING', message: /bindAddress=/ })
  const { broker } = await started(t)
  const port = Number(broker.address.split(':')[1])
  await refused({ listenPort: port }, { code: 'EADDRINUSE' })
  await refused({ listenPort: port + 2 }, { code: 'EADDRINUSE' })
  await refused({ storePathRootDir: broker.store.directory }, { code: 'STORE_LOCKED' })
  const after = await started(t, { settings: { storePathRootDir } })
  t.equal(after.broker.store.state, 'open', 'the lock is free')
})

t.test('the address and the port that clients are told may be others than those that are bound', async (t) => {
  const nameServer = await NameServer.start({ settings: { listenPort: 0, kvConfigPath: newDirectory(t) } })
  t.teardown(() => nameServer.close())
  const { broker } = await started(t, {
    settings: { bindAddress: '127.0.0.1', brokerIP1: '192.0.2.1', advertisedPort: 30911, namesrvAddr: nameServer.address },
  })
  t.equal(broker.address, '192.0.2.1:30911')
  const { answer } = await send(await peerOf(t, `127.0.0.1:${broker.settings.listenPort}`))
  t.match(answer.msgId, /^C0000201000078BF/)
  const route = await (await peerOf(t, nameServer.address)).ask(GET_ROUTEINFO_BY_TOPIC, { topic: 'orders' })
  t.same([...readTopicRoute(route.body).brokerDatas[0]!.brokerAddrs], [[0, '192.0.2.1:30911']])
})

t.test('several in one process; closing twice; what was acknowledged is there afterwards', async (t) => {
  const [one, two] = [await started(t), await started(t)]
  await send(await one.peer())
  await send(await two.peer(), { b: 'other' })
  const sends = Array.from({ length: 100 }, async () => send(await one.peer()))
  await Promise.all(sends)
  await Promise.all([one.broker.close(), one.broker.close()])
  t.match(await send(await two.peer(), { b: 'other' }), { code: 0 })
  const again = await started(t, { settings: { storePathRootDir: one.broker.store.directory } })
  t.equal(again.broker.store.bounds('orders', 0).maxOffset, 101)
})

t.test('a store that was closed under its broker is told to clients, and ends nothing else', async (t) => {
  const { broker, peer } = await started(t)
  const one = await peer()
  await send(one)
  await broker.store.close()
  t.match(await send(one), { code: 14, remark: /^service not available now\. .*disk is full \[CL: +[\d.]+ CQ: +[\d.]+ INDEX: +[\d.]+\], / })
  t.match(await pull(one), { code: 1, remark: /STORE_NOT_OPEN|the store is closed/ })
})

t.test('a tail that a power cut took: what comes in its place is not skipped', async (t) => {
  const { broker, peer } = await started(t)
  const one = await peer()
  for (let i = 0; i < 3; i++) await send(one, {}, `kept ${i}`)
  const directory = newDirectory(t)
  await broker.store.backup(directory)
  for (let i = 0; i < 2; i++) await send(one, {}, `lost ${i}`)
  const of = { consumerGroup: 'CG', topic: 'orders', queueId: 0 }
  await one.ask(requests.UPDATE_CONSUMER_OFFSET, { ...of, commitOffset: 5 })
  await broker.close()
  cpSync(join(broker.store.directory, 'config'), join(directory, 'config'), { recursive: true })
  const warned: object[] = []
  const log = { info: () => {}, error: () => {}, warn: (details: object) => warned.push(details) }
  const again = await started(t, { settings: { storePathRootDir: directory }, log })
  const two = await again.peer()
  t.match(warned, [{ key: 'orders@CG', queueId: 0, offset: 5, end: 3 }])
  await send(two, {}, 'new')
  const { answer } = await two.ask(requests.QUERY_CONSUMER_OFFSET, of)
  const { body } = await pull(two, { queueOffset: answer.offset })
  t.same(
    messagesIn(body).map((message) => message.body.toString()),
    ['new'],
  )
})

t.test('a reader that reads nothing costs itself alone; pulls that wait are bounded', async (t) => {
  const { broker, peer } = await started(t, { settings: { pullThreadPoolQueueCapacity: 10 } })
  const one = await peer()
  for (let i = 0; i < 32; i++) await send(one, {}, 'x'.repeat(1000))
  const [host, port] = broker.address.split(':')
  const deaf = connect({ host: host as string, port: Number(port) })
  t.teardown(() => deaf.destroy())
  deaf.pause()
  const ask = writeCommand({
    ...{
      code: 11,
      language: 'JAVA' as const,
      version: 409,
      opaque: 1,
      flag: 0,
      remark: undefined,
      type: JSON_HEADER,
      body: Buffer.alloc(0),
    },
    fields: requests.PULL_MESSAGE.fields.write(pulling),
  })
  for (let i = 0; i < 3000; i++) deaf.write(ask)
  await sleep(200)
  const memory = process.memoryUsage().rss
  t.match(await send(one), { code: 0 })
  for (let i = 0; i < 3000; i++) deaf.write(ask)
  await sleep(200)
  t.ok(process.memoryUsage().rss - memory < 50 << 20, 'its requests are not looked at before it reads')
  const held = Array.from({ length: 12 }, () => pull(one, { queueId: 1, sysFlag: requests.PULL_HAS_SUBSCRIPTION | requests.PULL_SUSPENDS }))
  t.match(await Promise.race(held), { code: 19 })
  t.equal(broker.statistics.heldPulls, 10)
})

t.test('offsets of many queues are written while others are served', async (t) => {
  const { broker, peer } = await started(t)
  const one = await peer()
  await send(one)
  const commit = (group: number, queueId: number) => ({
    ...{
      code: 15,
      flag: 2,
      fields: requests.UPDATE_CONSUMER_OFFSET.fields.write({ consumerGroup: `g${group}`, topic: 'orders', queueId, commitOffset: 1 }),
    },
  })
  for (let group = 0; group < 20; group++)
    for (let queueId = 0; queueId < 500; queueId++) void one.send(commit(group, queueId)).catch(() => {})
  await one.ask(requests.GET_MAX_OFFSET, { topic: 'orders', queueId: 0 })
  await broker.close()
  const text = readFileSync(join(broker.store.directory, 'config', 'consumerOffset.json'), 'utf8')
  const { offsetTable } = parseFastjson(text) as { offsetTable: Record<string, Map<number, number>> }
  t.equal(Object.keys(offsetTable).length, 20)
  t.ok(Object.values(offsetTable).every((queues) => queues.size === 500))
  const names = [...text.matchAll(/"orders@g\d+":\{0:1,1:1,/g)]
  t.equal(names.length, 20)
})

t.test('a send that has lain too long is refused', async (t) => {
  const { store } = (await started(t)).broker
  const settings = { ...defaultBrokerSettings(), waitTimeMillsInSendQueue: 50 }
  const old = { waitedMs: 300.5, remote: '127.0.0.1:1' } as Connection
  const request = { code: 310, fields: requests.SEND_MESSAGE_V2.fields.write(sending), body: Buffer.alloc(0) } as Command
  t.same(sendMessageV2({ settings, store } as BrokerContext, request, old), {
    code: 2,
    remark: '[TIMEOUT_CLEAN_QUEUE]broker busy, start flow control for a while, period in queue: 300ms, size of queue: 0',
  })
  t.notOk(waitedTooLong({ settings: { ...settings, brokerFastFailureEnable: false } }, old))
  t.notOk(waitedTooLong({ settings }, { ...old, waitedMs: 49 } as Connection))
})

t.test('a store that is closed while pulls wait: they are answered with that, and the files that can’t be written are told', async (t) => {
  const errors: object[] = []
  const log = { info: () => {}, warn: () => {}, error: (details: object) => errors.push(details) }
  const { broker, peer } = await started(t, { log, settings: { flushConsumerOffsetInterval: 10 } })
  const one = await peer()
  await send(one)
  const waiting = pull(one, { queueOffset: 1, sysFlag: requests.PULL_HAS_SUBSCRIPTION | requests.PULL_SUSPENDS })
  await one.ask(requests.UPDATE_CONSUMER_OFFSET, { consumerGroup: 'CG', topic: 'orders', queueId: 0, commitOffset: 1 })
  await broker.store.close()
  await one.ask(requests.UPDATE_CONSUMER_OFFSET, { consumerGroup: 'CG', topic: 'orders', queueId: 0, commitOffset: 0 })
  while (errors.length === 0) await sleep(5)
  t.match(errors[0], { reason: /closed/ })
  await Promise.all([broker.close().catch(() => {}), t.resolveMatch(waiting, { code: 1, remark: /closed/ })])
})

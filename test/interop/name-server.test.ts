/** A Java broker registers with millrace's name server; Java clients and mqadmin find it there and never notice. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { NameServer } from '#src/index.js'
import { NO_LOG } from '#src/log.js'
import { readTopicRoute } from '#src/protocol/bodies/topic-route.js'
import { BrokerPeer } from './broker-peer.js'

t.setTimeout(300_000)

t.test('a Java broker, a Java producer and consumer, and mqadmin work with a name server of millrace', async (t) => {
  const dir = t.testdir({})
  const troubles: object[] = []
  const server = await NameServer.start({
    settings: {
      listenPort: 0,
      kvConfigPath: join(dir, 'kv.json'),
      configStorePath: join(dir, 'namesrv.properties'),
      orderMessageEnable: true,
    },
    log: { ...NO_LOG, warn: (details) => troubles.push(details) },
  })
  t.teardown(() => server.close())
  const broker = await BrokerPeer.start(join(dir, 'store'), { mappedFileSizeCommitLog: 1 << 20 }, server.address)
  let stopping: Promise<void> | undefined
  t.teardown(() => stopping ?? broker.stop())

  const sent = (await broker.readAndSend({ orders: 4, rest: 1 })).filter(({ what }) => what === 'sent')
  t.same(sent.map(({ topic }) => topic).sort(), ['orders', 'rest'])
  const pulled = (await broker.readAndSend({ orders: 4, rest: 1 })).filter(({ what }) => what === 'pulled')
  t.equal(pulled.length, 2, 'what was sent is found')

  t.match(await broker.mqadmin('clusterList'), /DefaultCluster\s+broker-a\s+0\s+127\.0\.0\.1:\d+\s+V4_9_7/)
  const topics = await broker.mqadmin('topicList')
  for (const topic of ['orders', 'rest', 'TBW102', 'SCHEDULE_TOPIC_XXXX', 'DefaultCluster', 'broker-a']) t.ok(topics.includes(topic), topic)
  const route = async () => readTopicRoute(Buffer.from(await broker.mqadmin('topicRoute', '-t', 'orders')))
  const { brokerDatas, queueDatas } = await route()
  t.match(brokerDatas, [{ brokerName: 'broker-a', cluster: 'DefaultCluster' }])
  t.same([...(brokerDatas[0]?.brokerAddrs ?? [])], [[0, broker.address]])
  t.match(queueDatas, [{ brokerName: 'broker-a', readQueueNums: 4, writeQueueNums: 4, perm: 6 }])
  t.notMatch(await broker.mqadmin('topicRoute', '-t', 'none'), /brokerDatas/)
  await broker.mqadmin('updateOrderConf', '-m', 'put', '-t', 'orders', '-v', 'broker-a:4')
  t.match(await broker.mqadmin('updateOrderConf', '-m', 'get', '-t', 'orders'), /broker-a:4/)
  t.match(await route(), { orderTopicConf: 'broker-a:4' })
  t.match(await broker.mqadmin('wipeWritePerm', '-b', 'broker-a'), /wipe write perm of broker\[broker-a\].*OK, \d+/)
  t.match(await route(), { queueDatas: [{ perm: 4 }] })
  t.match(await broker.mqadmin('addWritePerm', '-b', 'broker-a'), /add write perm of broker\[broker-a\].*OK, \d+/)
  t.match(await broker.mqadmin('getNamesrvConfig'), /orderMessageEnable\s*=\s*true/)
  await broker.mqadmin('updateNamesrvConfig', '-k', 'orderMessageEnable', '-v', 'false')
  t.equal((await route()).orderTopicConf, undefined)
  await broker.mqadmin('updateNamesrvConfig', '-k', 'kvConfigPath', '-v', '/tmp/x')
  t.match(await broker.mqadmin('getNamesrvConfig'), /kvConfigPath\s*=\s*\S+kv\.json/, 'no request changes that')
  await broker.mqadmin('deleteTopic', '-c', 'DefaultCluster', '-t', 'rest')
  t.notMatch(await broker.mqadmin('topicRoute', '-t', 'rest'), /brokerDatas/)

  stopping = broker.stop()
  await stopping
  for (let i = 0; i < 100 && server.statistics.connections > 0; i++) await sleep(50)
  t.match(server.statistics, { connections: 0 })
  t.same(troubles, [], 'no peer was refused')
})

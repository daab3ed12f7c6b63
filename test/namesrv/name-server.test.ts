/** The name server as brokers and clients see it, and held against what RocketMQ's answered to the same requests. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { NO_LOG } from '#src/log.js'
import { NameServer, type NameServerOptions } from '#src/namesrv/name-server.js'
import { readKvTable, readTopicList } from '#src/protocol/bodies/lists.js'
import { writeRegistration } from '#src/protocol/bodies/registration.js'
import { readClusterInfo, readTopicRoute } from '#src/protocol/bodies/topic-route.js'
import { parseFastjson, writeFastjson } from '#src/protocol/fastjson.js'
import * as requests from '#src/protocol/requests/namesrv.js'
import { RemotingPeer } from '../support/remoting.js'
import { conversation, type WireFrame } from '../support/wire.js'

async function started(t: Test, options: NameServerOptions = {}) {
  const kvConfigPath = options.settings?.kvConfigPath ?? join(t.testdir({}), 'namesrv/kvConfig.json')
  const server = await NameServer.start({ ...options, settings: { listenPort: 0, kvConfigPath, ...options.settings } })
  t.teardown(() => server.close())
  const peer = async () => {
    const connected = await RemotingPeer.connect(server.address)
    t.teardown(() => connected.close())
    return connected
  }
  return { server, peer, kvConfigPath: server.settings.kvConfigPath }
}

const topic = (topicName: string, more = {}) => ({
  ...{ topicName, readQueueNums: 4, writeQueueNums: 4, perm: 6, topicFilterType: 'SINGLE_TAG' as const, topicSysFlag: 0, order: false },
  ...more,
})
const identity = { brokerName: 'broker-a', brokerAddr: '10.0.0.1:10911', clusterName: 'Main', brokerId: 0 }
const register = { ...identity, haServerAddr: '10.0.0.1:10912' }
const topics = (names: string[], counter = 0) => ({
  dataVersion: { counter, timestamp: 1 },
  topics: names.map((name) => topic(name)),
  filterServers: [],
})

t.test('a broker registers, in all forms of the body, and clients find its topics', async (t) => {
  const { peer } = await started(t)
  const [broker, client] = [await peer(), await peer()]
  for (const [i, compressed] of [false, true].entries()) {
    const name = compressed ? 'packed' : 'plain'
    const reply = await broker.ask(requests.REGISTER_BROKER, { ...register, compressed }, writeRegistration(topics([name], i), compressed))
    t.match(reply, { code: 0, fields: {}, body: { length: 0 } })
    const route = readTopicRoute((await client.ask(requests.GET_ROUTEINFO_BY_TOPIC, { topic: name })).body)
    t.match(route, {
      brokerDatas: [{ cluster: 'Main', brokerName: 'broker-a' }],
      queueDatas: [{ brokerName: 'broker-a', perm: 6, readQueueNums: 4, writeQueueNums: 4 }],
    })
    t.same([...route.brokerDatas[0]!.brokerAddrs], [[0, '10.0.0.1:10911']])
  }
  t.same(
    readTopicList((await client.ask(requests.GET_ALL_TOPIC_LIST_FROM_NAMESERVER, {})).body).topicList,
    ['plain', 'packed'],
    'topics that a registration leaves out stay',
  )
  client.version = 393
  t.match((await client.ask(requests.GET_ROUTEINFO_BY_TOPIC, { topic: 'plain' })).body.toString(), /"brokerAddrs":\{0:"10/)
  t.match(
    (await client.ask(requests.GET_ROUTEINFO_BY_TOPIC, { topic: 'plain', acceptStandardJsonOnly: true })).body.toString(),
    /"brokerAddrs":\{"0":"10/,
  )
  t.match(await client.ask(requests.GET_ROUTEINFO_BY_TOPIC, { topic: 'none' }), {
    code: 17,
    remark: /^No topic route info in name server for the topic: none\n/,
  })
  const info = readClusterInfo((await client.ask(requests.GET_BROKER_CLUSTER_INFO, {})).body)
  t.same([...info.clusterAddrTable], [['Main', ['broker-a']]])
})

t.test('a body that does not match its checksum, or is none, changes nothing', async (t) => {
  const { peer } = await started(t)
  const broker = await peer()
  const body = writeRegistration(topics(['orders']))
  t.match(await broker.ask(requests.REGISTER_BROKER, { ...register, bodyCrc32: 5 }, body), {
    code: 1,
    remark: 'crc32 not match',
    fields: {},
  })
  t.match(await broker.ask(requests.REGISTER_BROKER, register, Buffer.from('no JSON')), {
    code: 1,
    remark: /^com\.alibaba\.fastjson\.JSONException: /,
  })
  t.match(await broker.ask(requests.REGISTER_BROKER, { ...register, compressed: true }, Buffer.from('nothing packed')), {
    code: 1,
    remark: /ZipException/,
  })
  t.match(await broker.ask(requests.REGISTER_BROKER, { ...register, brokerId: undefined as never }, body), {
    code: 1,
    remark: /NullPointerException/,
  })
  t.same(readTopicList((await broker.ask(requests.GET_ALL_TOPIC_LIST_FROM_NAMESERVER, {})).body).topicList, [])
})

t.test('a slave is told where its master is; one that became the master is there once', async (t) => {
  const { peer } = await started(t)
  const broker = await peer()
  const slave = { ...register, brokerAddr: '10.0.0.2:10911', haServerAddr: '10.0.0.2:10912', brokerId: 1 }
  t.same((await broker.ask(requests.REGISTER_BROKER, slave, writeRegistration(topics(['orders'])))).fields, {})
  await broker.ask(requests.REGISTER_BROKER, register, writeRegistration(topics(['orders'])))
  t.same((await broker.ask(requests.REGISTER_BROKER, slave, writeRegistration(topics(['orders'])))).answer, {
    masterAddr: '10.0.0.1:10911',
    haServerAddr: '10.0.0.1:10912',
  })
  await broker.ask(requests.UNREGISTER_BROKER, identity)
  await broker.ask(requests.REGISTER_BROKER, { ...slave, brokerId: 0 }, writeRegistration(topics(['orders'])))
  const { brokerDatas } = readTopicRoute((await broker.ask(requests.GET_ROUTEINFO_BY_TOPIC, { topic: 'orders' })).body)
  t.same([...brokerDatas[0]!.brokerAddrs], [[0, '10.0.0.2:10911']])
})

t.test('a broker is gone when it says so, when its connection ends, and when it has been silent for two minutes', async (t) => {
  let now = 1_000_000
  const { peer } = await started(t, { now: () => now, scanIntervalMs: 5 })
  const client = await peer()
  const list = async () => readTopicList((await client.ask(requests.GET_ALL_TOPIC_LIST_FROM_NAMESERVER, {})).body).topicList
  const version = Buffer.from(writeFastjson({ counter: 0, timestamp: 1 }))
  for (const how of ['unregister', 'close', 'silence']) {
    const broker = await peer()
    await broker.ask(requests.REGISTER_BROKER, register, writeRegistration(topics(['orders'])))
    t.same(await list(), ['orders'])
    if (how === 'unregister') await broker.ask(requests.UNREGISTER_BROKER, identity)
    else if (how === 'close') broker.close()
    else {
      now += 119_000
      t.match(await broker.ask(requests.QUERY_DATA_VERSION, identity, version), { answer: { changed: false }, body: version })
      now += 119_000
      t.same(await list(), ['orders'], 'to ask is a sign of life')
      now += 2000
      await broker.closed()
    }
    for (let i = 0; i < 200 && (await list()).length > 0; i++);
    t.same(await list(), [], how)
  }
  t.match(await client.ask(requests.QUERY_DATA_VERSION, identity, version), { answer: { changed: true }, body: { length: 0 } })
})

t.test('permissions, lists of topics, and topics that are forgotten', async (t) => {
  const { peer } = await started(t)
  const one = await peer()
  const registration = {
    dataVersion: { counter: 1, timestamp: 1 },
    filterServers: [],
    topics: [topic('a', { topicSysFlag: 1 }), topic('b', { topicSysFlag: 2 }), topic('c', { topicSysFlag: 3 })],
  }
  await one.ask(requests.REGISTER_BROKER, register, writeRegistration(registration))
  const other = { ...register, brokerName: 'broker-b', brokerAddr: '10.0.0.9:10911', clusterName: 'Other' }
  await one.ask(requests.REGISTER_BROKER, other, writeRegistration(topics(['c', 'd'])))
  const list = async (...args: Parameters<typeof one.ask>) => readTopicList((await one.ask(...args)).body).topicList
  t.same(await list(requests.GET_TOPICS_BY_CLUSTER as never, { cluster: 'Other' }), ['c', 'd'])
  t.same(await list(requests.GET_TOPICS_BY_CLUSTER as never, { cluster: 'None' }), [])
  t.same(await list(requests.GET_UNIT_TOPIC_LIST, {}), ['a', 'c'])
  t.same(await list(requests.GET_HAS_UNIT_SUB_TOPIC_LIST, {}), ['b', 'c'])
  t.same(await list(requests.GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST, {}), ['b'])
  t.same(readTopicList((await one.ask(requests.GET_SYSTEM_TOPIC_LIST_FROM_NS, {})).body), {
    topicList: ['Main', 'broker-a', 'Other', 'broker-b'],
    brokerAddr: '10.0.0.1:10911',
  })
  const perms = async () =>
    readTopicRoute((await one.ask(requests.GET_ROUTEINFO_BY_TOPIC, { topic: 'c' })).body).queueDatas.map(({ perm }) => perm)
  t.same((await one.ask(requests.WIPE_WRITE_PERM_OF_BROKER, { brokerName: 'broker-a' })).answer, { wipeTopicCount: 3 })
  t.same(await perms(), [4, 6])
  t.same((await one.ask(requests.ADD_WRITE_PERM_OF_BROKER, { brokerName: 'broker-a' })).answer, { addTopicCount: 3 })
  t.same(await perms(), [6, 6])
  await one.ask(requests.DELETE_TOPIC_IN_NAMESRV, { topic: 'c', clusterName: 'Main' })
  t.same(await perms(), [6])
  await one.ask(requests.DELETE_TOPIC_IN_NAMESRV, { topic: 'c' })
  t.same(await list(requests.GET_ALL_TOPIC_LIST_FROM_NAMESERVER, {}), ['a', 'b', 'd'])
})

t.test('KV config is on disk when it is answered, in Java’s file, and there again after a start', async (t) => {
  const { peer, server, kvConfigPath } = await started(t, { settings: { orderMessageEnable: true } })
  const one = await peer()
  const namespace = 'ORDER_TOPIC_CONFIG'
  await Promise.all(['orders', 'rest', 'gone'].map((key) => one.ask(requests.PUT_KV_CONFIG, { namespace, key, value: 'broker-a:4' })))
  await one.ask(requests.DELETE_KV_CONFIG, { namespace, key: 'gone' })
  t.same(parseFastjson(readFileSync(kvConfigPath, 'utf8')), { configTable: { [namespace]: { orders: 'broker-a:4', rest: 'broker-a:4' } } })
  t.match(await one.ask(requests.DELETE_KV_CONFIG, { namespace: 'none', key: 'x' }), { code: 0 })
  t.match(await one.ask(requests.GET_KV_CONFIG, { namespace, key: 'gone' }), {
    code: 22,
    remark: `No config item, Namespace: ${namespace} Key: gone`,
    fields: {},
  })
  t.match(await one.ask(requests.GET_KVLIST_BY_NAMESPACE, { namespace: 'none' }), { code: 22, remark: 'No config item, Namespace: none' })
  t.match(await one.ask(requests.PUT_KV_CONFIG, { namespace, key: undefined as never, value: 'x' }), {
    code: 1,
    remark: 'namespace or key is null',
  })
  const reply = await one.ask(requests.REGISTER_BROKER, register, writeRegistration(topics(['orders'])))
  t.same(
    [...readKvTable(reply.body)],
    [
      ['orders', 'broker-a:4'],
      ['rest', 'broker-a:4'],
    ],
  )
  t.equal(readTopicRoute((await one.ask(requests.GET_ROUTEINFO_BY_TOPIC, { topic: 'orders' })).body).orderTopicConf, 'broker-a:4')
  await server.close()

  const again = await started(t, { settings: { kvConfigPath } })
  t.match(await (await again.peer()).ask(requests.GET_KV_CONFIG, { namespace, key: 'orders' }), { answer: { value: 'broker-a:4' } })
  writeFileSync(kvConfigPath, 'no JSON')
  await t.rejects(started(t, { settings: { kvConfigPath } }), { code: 'IO_ERROR', message: /kvConfig/ })
  const folder = `${kvConfigPath}-folder`
  mkdirSync(folder)
  await t.rejects(started(t, { settings: { kvConfigPath: folder } }), { code: 'IO_ERROR' })
})

t.test('settings are read and changed by request, kept in their file, and some are refused', async (t) => {
  const { peer, server } = await started(t, { settings: { configStorePath: join(t.testdir({}), 'kept/namesrv.properties') } })
  const one = await peer()
  const update = (text: string) => one.ask(requests.UPDATE_NAMESRV_CONFIG, {}, Buffer.from(text))
  const text = async () => (await one.ask(requests.GET_NAMESRV_CONFIG, {})).body.toString()
  t.match(await text(), /^orderMessageEnable=false$/m)
  t.match(await update('orderMessageEnable=true\nunheardOf=1\n'), { code: 0 })
  t.match(await text(), /^orderMessageEnable=true$/m)
  t.match(readFileSync(server.settings.configStorePath, 'utf8'), /^orderMessageEnable=true$/m)
  for (const name of ['kvConfigPath', 'configStorePath', 'configBlackList', 'rocketmqHome'])
    t.match(await update(`orderMessageEnable=false\n${name}=/tmp/x\n`), { code: 16, remark: 'Can not update config in black list.' })
  t.match(await update('listenPort=many\n'), { code: 1, remark: /listenPort/ })
  t.match(await update(''), { code: 0 })
  t.match(await text(), /^orderMessageEnable=true$/m)
  await t.rejects(NameServer.start({ settings: { listenPort: -1 } }), { code: 'INVALID_SETTING' })
  await t.rejects(NameServer.start({ settings: { listenPorts: 1 } as never }), {
    code: 'INVALID_SETTING',
    message: /listenPort, if that is meant/,
  })
})

t.test('requests without any field are answered, and change nothing', async (t) => {
  const troubles: unknown[] = []
  const { peer, server } = await started(t, { log: { ...NO_LOG, warn: (trouble) => troubles.push(trouble) } })
  const one = await peer()
  await one.ask(
    requests.REGISTER_BROKER,
    { ...register, compressed: false },
    writeRegistration({ ...topics(['orders']), filterServers: ['10.0.0.1:1'] as never }),
  )
  const before = await one.ask(requests.GET_ROUTEINFO_BY_TOPIC, { topic: 'orders' })
  t.same([...readTopicRoute(before.body).filterServerTable], [['10.0.0.1:10911', ['10.0.0.1:1']]])
  for (const { code, name } of Object.values(requests)) {
    const { code: answer, remark } = await one.send({ code })
    t.ok([0, 1, 17, 22].includes(answer), `${name}: ${answer} ${remark}`)
  }
  for (const fields of [{ brokerId: '0' }, { brokerId: 'x' }, { cluster: '' }, { namespace: 'x' }, { key: 'x' }])
    for (const { code } of [
      requests.UNREGISTER_BROKER,
      requests.QUERY_DATA_VERSION,
      requests.GET_KV_CONFIG,
      requests.DELETE_KV_CONFIG,
      requests.PUT_KV_CONFIG,
    ])
      t.ok([0, 1].includes((await one.send({ code, fields })).code))
  await one.ask(requests.UNREGISTER_BROKER, { ...identity, brokerAddr: '10.9.9.9:1' })
  await one.ask(requests.DELETE_TOPIC_IN_NAMESRV, { topic: 'orders', clusterName: 'None' })
  t.same((await one.ask(requests.WIPE_WRITE_PERM_OF_BROKER, { brokerName: 'none' })).answer, { wipeTopicCount: 0 })
  t.same((await one.ask(requests.GET_ROUTEINFO_BY_TOPIC, { topic: 'orders' })).body, before.body)
  t.match(server.statistics, { connections: 1, closed: 0 })
  t.same(troubles, [])
  await server[Symbol.asyncDispose]()
})

t.test('a KV config that can’t be written is told, and so is the next that can', async (t) => {
  const { peer, kvConfigPath } = await started(t)
  const one = await peer()
  writeFileSync(dirname(kvConfigPath), 'a file where the folder should be')
  const put = (value: string) => one.ask(requests.PUT_KV_CONFIG, { namespace: 'n', key: 'k', value })
  t.match(await put('1'), { code: 1, remark: /kvConfig/ })
  t.match(await one.ask(requests.GET_KV_CONFIG, { namespace: 'n', key: 'k' }), { code: 22 }, 'what could not be kept is not there')
  rmSync(dirname(kvConfigPath))
  t.match(await put('2'), { code: 0 })
  t.match(readFileSync(kvConfigPath, 'utf8'), /"k":"2"/)
})

t.test('the requests that were made of RocketMQ’s name server get its answers', async (t) => {
  const { peer } = await started(t)
  for (const name of ['route', 'register-broker', 'register-broker-compressed']) {
    const frames = conversation(name).filter(({ port, cut }: WireFrame & { port?: number }) => port === 40876 && !cut)
    const one = await peer()
    if (name === 'route') {
      const defaults = topic('TBW102', { perm: 7, readQueueNums: 8, writeQueueNums: 8 })
      const theirs = { ...register, brokerAddr: '127.0.0.1:40911', clusterName: 'DefaultCluster' }
      await one.ask(requests.REGISTER_BROKER, theirs, writeRegistration({ ...topics([]), topics: [defaults] }))
    }
    let asked = 0
    for (const frame of frames) {
      if ((frame.flag ?? 0) % 2 === 1) continue
      const theirs = frames.find(
        (other) => other.opaque === frame.opaque && other.request === frame.request && other.n > frame.n && (other.flag ?? 0) % 2 === 1,
      )
      const bytes = Buffer.from(frame.hex, 'hex')
      const body = bytes.subarray(bytes.length - frame.bodyLength)
      one.version = frame.version ?? 0
      const ours = await one.send({ code: frame.code as number, fields: frame.extFields as never, body })
      if (theirs === undefined) continue
      asked++
      const theirBytes = Buffer.from(theirs.hex, 'hex')
      const found = { code: ours.code, remark: ours.remark ?? null, fields: ours.fields ?? null, body: parsed(ours.body) }
      const wanted = {
        code: theirs.code,
        remark: theirs.remark,
        fields: theirs.extFields,
        body: parsed(theirBytes.subarray(theirBytes.length - theirs.bodyLength)),
      }
      // Their name server had been running, with other topics.
      if (frame.code === 206 || frame.code === 106) continue
      t.same({ ...found, fields: found.fields ?? {} }, { ...wanted, fields: wanted.fields ?? {} }, `${name} ${frame.n}: ${frame.code}`)
    }
    t.ok(asked > 0, name)
  }
})

const parsed = (body: Buffer) => (body.length === 0 ? undefined : parseFastjson(body.toString()))

/** Delayed messages: they wait in their level's queue, and are delivered as they were meant, once their time has come, also after a restart. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { DelayService } from '#src/broker/delay-service.js'
import { Inbox } from '#src/broker/inbox.js'
import { storeError } from '#src/errors.js'
import type { MessageInput } from '#src/index.js'
import * as requests from '#src/protocol/requests/broker.js'
import { openNew } from '../store/stores.js'
import { messagesIn, pull, send, started } from './started.js'

const waits = requests.PULL_HAS_SUBSCRIPTION | requests.PULL_SUSPENDS

t.test('a message comes when its time has come, and not before', async (t) => {
  const { broker, peer } = await started(t)
  const one = await peer()
  const sentMs = Date.now()
  const { answer } = await send(one, { i: 'TAGS\u0001paid\u0002DELAY\u00011\u0002UNIQ_KEY\u0001U1', e: 2 })
  t.match(answer, { queueId: 2, queueOffset: 0 })
  const held = await pull(one, { queueId: 2, sysFlag: waits, subscription: 'paid' })
  const late = Date.now() - sentMs - 1000
  t.ok(late >= -2, `${late} ms`)
  const [message] = messagesIn(held.body)
  t.match(message, { topic: 'orders', queueId: 2, tags: 'paid' })
  t.same(
    { ...message?.properties },
    { TAGS: 'paid', DELAY: '1', UNIQ_KEY: 'U1', CLUSTER: 'DefaultCluster', REAL_TOPIC: 'orders', REAL_QID: '2', WAIT: 'false' },
  )
  await broker.close()
  t.equal(readFileSync(join(broker.store.directory, 'config', 'delayOffset.json'), 'utf8'), '{\n\t"offsetTable":{1:1\n\t}\n}')
})

t.test('many of a level come in order, each once, and go on after a restart', async (t) => {
  const { broker, peer } = await started(t)
  const one = await peer()
  for (let i = 0; i < 50; i++) await send(one, { i: `DELAY\u00011\u0002n\u0001${i}` })
  await broker.close()
  const again = await started(t, { settings: { storePathRootDir: broker.store.directory } })
  const { store } = again.broker
  while (store.bounds('orders', 0).maxOffset < 50) await sleep(20)
  const found = messagesIn((await pull(await again.peer(), { maxMsgNums: 32 })).body)
  t.same(
    found.map(({ properties }) => Number(properties.n)),
    Array.from({ length: found.length }, (_, i) => i),
  )
  await sleep(100)
  t.equal(store.bounds('orders', 0).maxOffset, 50, 'none twice')
})

t.test('a level beyond the last is the last; a time that is too far away has come', async (t) => {
  const { broker, peer } = await started(t, { settings: { messageDelayLevel: '1s 1h' } })
  const one = await peer()
  await send(one, { i: 'DELAY\u000199' })
  t.equal(broker.store.bounds('SCHEDULE_TOPIC_XXXX', 1).maxOffset, 1)
  await broker.close()
  const again = await started(t, { settings: { messageDelayLevel: '1s 2s', storePathRootDir: broker.store.directory } })
  while (again.broker.store.bounds('orders', 0).maxOffset < 1) await sleep(20)
  const [message] = messagesIn((await pull(await again.peer())).body)
  t.match(message?.properties, { DELAY: '2', REAL_TOPIC: 'orders' })
})

t.test('what can’t be delivered now is tried again; what belongs nowhere, or is gone, is passed over', async (t) => {
  let refuse = true
  const delivered: MessageInput[] = []
  const troubles: string[] = []
  const store = await openNew(t)
  const inbox = {
    deliver: async (message: MessageInput) => {
      if (refuse) throw new Error('no room')
      delivered.push(message)
    },
  } as unknown as Inbox
  const schedule = (properties: Record<string, string>) =>
    store.append({ topic: 'SCHEDULE_TOPIC_XXXX', queueId: 0, body: 'x', properties: { DELAY: '1', ...properties } })
  await schedule({ REAL_TOPIC: 'orders', REAL_QID: '1' })
  await schedule({})
  await schedule({ REAL_TOPIC: 'RMQ_SYS_TRANS_HALF_TOPIC', REAL_QID: '0' })
  // An hour later by its clock.
  const delays = await DelayService.open({
    store,
    inbox,
    levels: '1s',
    now: () => Date.now() + 3_600_000,
    onTrouble: (reason) => troubles.push(reason),
  })
  delays.start()
  while (troubles.length === 0) await sleep(5)
  t.match(troubles[0], 'delayed messages of level 1 wait: no room')
  refuse = false
  while (delivered.length === 0) await sleep(5)
  await delays.stop()
  t.match(delivered, [{ topic: 'orders', queueId: 1, properties: { WAIT: 'false' } }])
  t.equal(delays.write().toString(), '{"offsetTable":{1:3}}')
  const again = await DelayService.open({ store, inbox, levels: '1s', now: () => Date.now(), onTrouble: () => {} })
  t.equal(again.write().toString(), '{"offsetTable":{1:3}}')
  await store.close()
  again.start()
  await again.stop()
})

t.test(
  'a message whose properties have no room for a mark is delivered without; one that no store takes stops nobody behind it',
  async (t) => {
    const { broker, peer } = await started(t)
    const one = await peer()
    // All but the x take 62 bytes, with REAL_TOPIC, REAL_QID and the cluster; the mark takes 11 more.
    const long = `DELAY\u00011\u0002a\u0001${'x'.repeat(32_767 - 62)}`
    t.match(await send(one, { i: long }), { code: 0 })
    t.match(await send(one, { i: `${long}x` }), { code: 13 })
    await broker.store.append({
      topic: 'SCHEDULE_TOPIC_XXXX',
      queueId: 0,
      body: 'x',
      properties: { DELAY: '1', REAL_TOPIC: 'orders', REAL_QID: 'x' },
    })
    await broker.store.append({
      topic: 'SCHEDULE_TOPIC_XXXX',
      queueId: 0,
      body: 'x',
      properties: { DELAY: '1', REAL_TOPIC: 'no name', REAL_QID: '0' },
    })
    await send(one, { i: 'DELAY\u00011' }, 'last')
    while (broker.store.bounds('orders', 0).maxOffset < 2) await sleep(20)
    const [first, last] = messagesIn((await pull(one)).body)
    t.equal(first?.properties.WAIT, undefined)
    t.equal(last?.body.toString(), 'last')
  },
)

t.test('what is due together comes in order, also behind a message that has no room for a mark', async (t) => {
  const store = await openNew(t)
  const long = { DELAY: '1', REAL_TOPIC: 'orders', REAL_QID: '0', a: 'x'.repeat(32_767 - 39) }
  for (const properties of [{ ...long, a: `${long.a}x` }, { ...long, WAIT: 'true', a: long.a.slice(10) }, long, { ...long, a: 'y' }])
    await store.append({ topic: 'SCHEDULE_TOPIC_XXXX', queueId: 0, body: String(properties.a.length), properties }).catch(() => {})
  t.equal(store.bounds('SCHEDULE_TOPIC_XXXX', 0).maxOffset, 3, 'the first one was too long for the store')
  const delays = await DelayService.open({
    ...{ store, levels: '1s', onTrouble: (reason: string) => t.fail(reason) },
    inbox: new Inbox(store, 1, () => {}),
    now: () => Date.now() + 5000,
  })
  delays.start()
  while (store.bounds('orders', 0).maxOffset < 3) await sleep(5)
  await delays.stop()
  const { messages } = await store.pull({ topic: 'orders', queueId: 0, offset: 0, maxMessages: 3 })
  const bytes = long.a.length
  t.same(
    messages.map(({ body, properties: { WAIT } }) => [String(body), WAIT]),
    [
      [String(bytes - 10), 'true'],
      [String(bytes), undefined],
      ['1', 'false'],
    ],
  )
})

t.test('when the store takes a part of what is due, that part is not delivered again, and the rest comes in order', async (t) => {
  const store = await openNew(t)
  const delivered: string[] = []
  let room = 3
  const inbox = {
    deliver: async ({ body }: MessageInput) => {
      if (room-- <= 0) throw storeError('TOO_MANY_WAITING', { waiting: 3 })
      delivered.push(String(body))
    },
  } as unknown as Inbox
  for (let i = 0; i < 8; i++)
    await store.append({
      topic: 'SCHEDULE_TOPIC_XXXX',
      queueId: 0,
      body: String(i),
      properties: { DELAY: '1', REAL_TOPIC: 'orders', REAL_QID: '0' },
    })
  const troubles: string[] = []
  const delays = await DelayService.open({
    store,
    inbox,
    levels: '1s',
    now: () => Date.now() + 5000,
    onTrouble: (reason) => troubles.push(reason),
  })
  delays.start()
  while (troubles.length === 0) await sleep(5)
  room = 100
  while (delivered.length < 8) await sleep(5)
  await delays.stop()
  t.same(delivered, ['0', '1', '2', '3', '4', '5', '6', '7'])
})

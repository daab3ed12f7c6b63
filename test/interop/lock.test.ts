import t from 'tap'
import { MessageStore, StoreError } from '#src/index.js'
import { StorePeer } from './store-peer.js'

const settings = { mappedFileSizeCommitLog: 65536, mappedFileSizeConsumeQueue: 2000, maxHashSlotNum: 100, maxIndexNum: 400 }

t.test('a directory that a Java store holds is refused, and opens when Java has let go', async (t) => {
  const dir = t.testdir()
  const java = await StorePeer.start()
  t.teardown(() => java.end())
  await java.open(dir, settings)
  const refused = await MessageStore.open(dir, { settings }).catch((error) => error)
  t.ok(refused instanceof StoreError)
  t.equal(refused.code, 'STORE_LOCKED')
  t.match(refused.message, new RegExp(`\\b${java.pid}\\b`), 'the message says which process holds it')
  await java.close()
  const store = await MessageStore.open(dir, { settings })
  await store.close()
})

t.test('a Java store does not start on a directory that millrace holds, and starts when millrace has closed', async (t) => {
  const dir = t.testdir()
  const java = await StorePeer.start()
  t.teardown(() => java.end())
  const store = await MessageStore.open(dir, { settings })
  store.appendSync({ topic: 'orders', body: 'held' })
  await t.rejects(java.startUnloaded(dir), /Lock failed/)
  await store.close()
  t.match(await java.open(dir, settings), { loaded: true, cleanBefore: true })
  t.equal((await java.records()).length, 1)
  await java.close()
})

t.test('a read-only open takes no lock: Java may hold the directory', async (t) => {
  const dir = t.testdir()
  const java = await StorePeer.start()
  t.teardown(() => java.end())
  await java.open(dir, settings)
  await java.put([
    {
      topic: 'orders',
      queueId: 0,
      body: Buffer.from('seen').toString('base64'),
      properties: {},
      flag: 0,
      sysFlag: 0,
      bornTimestamp: 1,
      bornHost: '127.0.0.1:1',
      storeHost: '127.0.0.1:2',
      reconsumeTimes: 0,
      preparedTransactionOffset: 0,
    },
  ])
  const store = await MessageStore.open(dir, { readOnly: true, settings })
  const { messages } = await store.pull({ topic: 'orders', queueId: 0, offset: 0 })
  t.same(
    messages.map(({ body }) => body.toString()),
    ['seen'],
  )
  await store.close()
  t.same(await java.close(), { abortLeft: false })
})

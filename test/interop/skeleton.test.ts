import t from 'tap'
import { MessageStore } from '#src/index.js'
import { canonical, firstDifference, rowsOf } from './rows.js'
import { StorePeer } from './store-peer.js'

const settings = { mappedFileSizeCommitLog: 65536, mappedFileSizeConsumeQueue: 2000, maxHashSlotNum: 100, maxIndexNum: 400 }
const message = {
  topic: 'orders',
  queueId: 1,
  tags: 'paid',
  bornTimestamp: 1_700_000_000_000,
  bornHost: '10.1.2.3:54321',
  storeHost: '127.0.0.1:10911',
}

t.test('one message appended by millrace is read by Java', async (t) => {
  const dir = t.testdir()
  const store = await MessageStore.open(dir, { settings })
  const { logOffset, messageId } = await store.append({ ...message, keys: 'o-1', body: 'hello, Java' })
  const ours = await rowsOf(store)
  await store.close()

  const java = await StorePeer.start()
  t.teardown(() => java.end())
  t.match(await java.open(dir, settings), { loaded: true, cleanBefore: true })
  const rows = canonical(await java.records())
  t.equal(firstDifference(rows, ours), undefined)
  t.match(rows, [{ topic: 'orders', queueId: 1, queueOffset: 0, logOffset, messageId, properties: { TAGS: 'paid', KEYS: 'o-1' } }])
  t.match(await java.pull([{ topic: 'orders', queueId: 1, offset: 0, maxMessages: 32, tags: 'paid' }]), [
    { status: 'FOUND', logOffsets: [logOffset] },
  ])
  t.match(await java.query([{ topic: 'orders', key: 'o-1', maxMessages: 64, begin: 0, end: 4_102_444_800_000 }]), [
    { logOffsets: [logOffset] },
  ])
  t.same(await java.close(), { abortLeft: false })
})

t.test('one message appended by Java is read by millrace', async (t) => {
  const dir = t.testdir()
  const java = await StorePeer.start()
  t.teardown(() => java.end())
  await java.open(dir, settings)
  const put = {
    ...message,
    keys: 'j-1',
    body: Buffer.from('hello, Node').toString('base64'),
    properties: {},
    flag: 7,
    sysFlag: 0,
    reconsumeTimes: 0,
    preparedTransactionOffset: 0,
  }
  t.match(await java.put([put]), [{ status: 'PUT_OK', logOffset: 0, queueOffset: 0 }])
  const theirs = canonical(await java.records())
  await java.close()

  const store = await MessageStore.open(dir, { settings })
  t.equal(store.recovery.cleanBefore, true)
  t.equal(firstDifference(await rowsOf(store), theirs), undefined)
  const page = await store.pull({ topic: 'orders', queueId: 1, offset: 0, tags: 'paid' })
  t.equal(page.status, 'FOUND')
  t.same(
    page.messages.map((found) => [found.body.toString(), found.keys, found.flag]),
    [['hello, Node', ['j-1'], 7]],
  )
  await store.close()
})

/** Code of the caller that runs in the middle of a call of the store: getters of messages, replicas, handlers. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { AppendResult, MessageInput, MessageStore, ReplicationStatus } from '#src/index.js'
import { requestOf, writeCommand } from '#src/protocol/command.js'
import { PULL_MESSAGE, SEND_MESSAGE_V2 } from '#src/protocol/requests/broker.js'
import { TagFilter } from '#src/store/tag-filter.js'
import { sending } from '../broker/started.js'
import { bodiesOf, bodyOf, numbered, openNew, refusal } from './stores.js'

t.setTimeout(60_000)

/** A message of which reading one field runs `use`. */
function trap(field: keyof MessageInput, use: () => unknown): MessageInput {
  return Object.defineProperty({ topic: 'trap', body: 'trap' }, field, { enumerable: true, get: use }) as MessageInput
}

async function bodyAt(store: MessageStore, { logOffset }: AppendResult): Promise<string | undefined> {
  const message = await store.messageAt(logOffset)
  return message === undefined ? undefined : `${message.topic} ${bodyOf(message)}`
}

t.test('a getter of a message that uses the store is refused, and harms no other append', async (t) => {
  const uses: Record<string, (store: MessageStore) => unknown> = {
    append: (store) => store.append({ topic: 'inner', body: 'never' }),
    appendSync: (store) => store.appendSync({ topic: 'inner', body: 'never' }),
    appendBatchSync: (store) => store.appendBatchSync([{ topic: 'inner', body: 'never' }]),
  }
  for (const [name, use] of Object.entries(uses)) {
    for (const field of ['flag', 'storeHost', 'keys', 'properties'] as const) {
      const store = await openNew(t)
      const refused: unknown[] = []
      const message = trap(field, () => {
        try {
          const inner = use(store)
          if (inner instanceof Promise) inner.catch((error) => refused.push(error.code))
        } catch (error) {
          refused.push((error as { code: string }).code)
        }
        return undefined
      })
      const around = [...numbered(2), message, ...numbered(2, { from: 2 })]
      const results = await Promise.all(around.map((one) => store.append(one)))
      results.push(store.appendSync(message), ...store.appendBatchSync([{ topic: 'batch', body: 'first' }, message]))
      t.same(
        await Promise.all(results.map((result) => bodyAt(store, result))),
        ['orders 0', 'orders 1', 'trap trap', 'orders 2', 'orders 3', 'trap trap', 'batch first', 'trap trap'],
        `${name} while ${field} is read: each has its own answer`,
      )
      t.same(refused, ['INVALID_ARGUMENT', 'INVALID_ARGUMENT', 'INVALID_ARGUMENT'])
      t.same(await bodiesOf(store, 'inner'), [])
    }
  }
})

t.test('a getter that throws refuses its message alone; one that closes the store lets its append through', async (t) => {
  const store = await openNew(t)
  for (const field of ['storeHost', 'bornHost', 'body', 'keys'] as const) {
    const thrown = new Error(`no ${field}`)
    const message = trap(field, () => {
      throw thrown
    })
    const settled = await Promise.allSettled(
      [{ topic: 'orders', body: field }, message, { topic: 'orders', body: field }].map((one) => store.append(one)),
    )
    t.same(
      settled.map((one) => (one.status === 'rejected' ? one.reason : one.value.status)),
      ['PUT_OK', thrown, 'PUT_OK'],
    )
  }
  t.equal((await bodiesOf(store, 'orders')).length, 8)
  let closing: Promise<void> | undefined
  const last = store.append(
    trap('flag', () => {
      closing = store.close()
      return 1
    }),
  )
  t.equal((await last).status, 'PUT_OK')
  await closing
})

t.test('an array of messages that appends while it is read does not get into its own batch', async (t) => {
  const store = await openNew(t)
  const batch: MessageInput[] = [{ topic: 'batch', body: 'a' }]
  let inner: Promise<unknown> | undefined
  Object.defineProperty(batch, 1, {
    enumerable: true,
    get: () => {
      inner ??= store.append({ topic: 'inner', body: 'never' }).catch((error) => error.code)
      return { topic: 'batch', body: 'b' }
    },
  })
  const results = store.appendBatchSync(batch)
  t.same(await Promise.all(results.map((result) => bodyAt(store, result))), ['batch a', 'batch b'])
  t.equal(await inner, 'INVALID_ARGUMENT')
})

t.test('a replica whose code appends, throws or rejects gives an outcome, and each append has its own answer', async (t) => {
  for (const flush of ['async', 'sync'] as const) {
    const answers: (() => Promise<ReplicationStatus>)[] = [
      async () => 'PUT_OK',
      () => {
        throw new Error('no connection')
      },
      () => Promise.reject(new Error('connection lost')),
    ]
    let asked = 0
    const inner: Promise<AppendResult>[] = []
    const store: MessageStore = await openNew(t, {
      flush,
      replication: {
        waitFor: () => {
          if (asked < 6) inner.push(store.append({ topic: 'log', body: `${asked}` }, { wait: false }))
          return (answers[asked++ % 3] as () => Promise<ReplicationStatus>)()
        },
      },
    })
    const results = await Promise.all(numbered(3).map((message) => store.append(message)))
    results.push(...(await store.appendBatch(numbered(3, { from: 3 }))))
    t.same(
      results.map(({ status }) => status),
      ['PUT_OK', 'SLAVE_NOT_AVAILABLE', 'SLAVE_NOT_AVAILABLE', 'PUT_OK', 'SLAVE_NOT_AVAILABLE', 'SLAVE_NOT_AVAILABLE'],
      flush,
    )
    t.same(await Promise.all([...results, ...(await Promise.all(inner))].map((result) => bodyAt(store, result))), [
      ...Array.from({ length: 6 }, (_, i) => `orders ${i}`),
      ...Array.from({ length: 6 }, (_, i) => `log ${i}`),
    ])
  }
})

t.test('appends that wait for a replica are bounded, and close waits for them', async (t) => {
  for (const flush of ['async', 'sync'] as const) {
    const waiting: ((status: ReplicationStatus) => void)[] = []
    const replication = { waitFor: () => new Promise<ReplicationStatus>((resolve) => waiting.push(resolve)) }
    const store = await openNew(t, { flush, replication, maxWaitingAppends: 5, whenFull: 'reject' })
    const appends = numbered(5).map((message) => store.append(message))
    t.equal((await refusal(() => store.append({ topic: 'orders' }))).code, 'TOO_MANY_WAITING')
    while (waiting.length < 5) await sleep(1)
    t.equal((await refusal(() => store.append({ topic: 'orders' }))).code, 'TOO_MANY_WAITING', 'asked, and not answered')
    t.equal((await refusal(() => store.appendBatch(numbered(2)))).code, 'TOO_MANY_WAITING')
    let closed = false
    const closing = store.close().then(() => {
      closed = true
    })
    await sleep(20)
    t.equal(closed, false)
    for (const resolve of waiting) resolve('FLUSH_SLAVE_TIMEOUT')
    t.same(
      (await Promise.all(appends)).map(({ status }) => status),
      appends.map(() => 'FLUSH_SLAVE_TIMEOUT'),
    )
    await closing
  }
})

t.test('a socket that the core reads is closed where it is asked what may be taken of it', async (t) => {
  const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const pull = { queueId: 0, queueOffset: 0, maxMsgNums: 32, sysFlag: 0, commitOffset: 0, suspendTimeoutMillis: 0, subVersion: 0 }
  const frame = writeCommand(
    requestOf(
      { code: PULL_MESSAGE.code, fields: PULL_MESSAGE.fields.write({ consumerGroup: 'G', topic: 'orders', ...pull }) },
      { language: 'JAVA', version: 1 },
      { opaque: 1 },
    ),
  )
  const send = writeCommand(
    requestOf(
      { code: SEND_MESSAGE_V2.code, fields: SEND_MESSAGE_V2.fields.write(sending), body: Buffer.from('hello') },
      { language: 'JAVA', version: 1 },
      { opaque: 2 },
    ),
  )
  for (const where of ['mayTake', 'admit'] as const) {
    const store = await openNew(t)
    store.appendSync({ topic: 'orders', body: 'hello' })
    const frames = store.plainRequests({ regionJson: '"r"', traceOn: true, cluster: 'c', maxBodyBytes: 100, version: 1 })
    frames.setTopic('orders', 4)
    frames.awaitArrival('orders', 0)
    frames.setPull({ group: 'G', topic: 'orders', subscription: undefined, filter: new TagFilter(), broker: 0, slowBroker: 0 })
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
    const [accepted] = (await once(server, 'connection')) as [Socket]
    const { fd } = (accepted as unknown as { _handle: { fd: number } })._handle
    const never = () => void t.fail('nothing is handed over')
    const arrivals: unknown[] = []
    await new Promise<void>((resolve) => {
      const close = (here: string) => {
        if (here !== where) return
        watched?.close()
        resolve()
      }
      const watched = frames.watch(fd, {
        ...{ bornHost: Buffer.alloc(8), begun: Buffer.alloc(0), onRead: never },
        onArrival: (...arrived) => arrivals.push(arrived),
        mayTake: () => {
          close('mayTake')
          return { sends: true, pulls: true }
        },
        admit: () => {
          close('admit')
          return false
        },
      })
      client.write(Buffer.concat([send, frame]))
    })
    await sleep(20)
    // What was stored before is, and who waits for it hears of it.
    const stored = where === 'admit'
    t.same(arrivals, stored ? [['orders', 0]] : [])
    t.equal(store.bounds('orders', 0).maxOffset, stored ? 2 : 1)
    for (const one of [client, accepted]) one.destroy()
  }
})

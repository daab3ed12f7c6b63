import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { bodyOf, collect, numbered, openNew, small } from './stores.js'

t.setTimeout(60_000)

const queue = { topic: 'orders', queueId: 0 }

t.test('messages() ends at the end of the queue, and begins where it is told', async (t) => {
  const store = await openNew(t)
  t.same(await collect(store.messages(queue)), [], 'an unknown queue')
  await store.appendBatch(numbered(95))
  for (const batch of [1, 7, 32, 500]) {
    const bodies = (await collect(store.messages({ ...queue, batch }))).map(bodyOf)
    t.same(
      bodies,
      numbered(95).map(({ body }) => body),
      `in batches of ${batch}`,
    )
  }
  t.same((await collect(store.messages({ ...queue, from: 90 }))).map(bodyOf), ['90', '91', '92', '93', '94'])
  t.same(await collect(store.messages({ ...queue, from: 95 })), [])
  t.same(await collect(store.messages({ ...queue, from: 5000 })), [], 'behind the end')
  for await (const message of store.messages(queue)) if (bodyOf(message) === '40') break
  t.pass('a loop may be left')
})

t.test('with follow it waits for new messages, those of a topic that does not exist yet included', async (t) => {
  const store = await openNew(t)
  const stop = new AbortController()
  const seen: string[] = []
  const reading = (async () => {
    for await (const message of store.messages({ ...queue, follow: true, signal: stop.signal })) {
      seen.push(bodyOf(message))
      if (seen.length === 120) stop.abort()
    }
  })()
  for (let i = 0; i < 120; i += 12) {
    await store.appendBatch(numbered(12, { from: i }))
    if (i % 24 === 0) await sleep(3)
  }
  await reading
  t.same(
    seen,
    numbered(120).map(({ body }) => body),
  )
})

t.test('a follower with tags hears of its own tag alone', async (t) => {
  const store = await openNew(t)
  const stop = new AbortController()
  const reading = collect(store.messages({ ...queue, follow: true, tags: 'BB', signal: stop.signal }))
  for (let i = 0; i < 60; i++) await store.append({ ...queue, tags: i % 2 ? 'Aa' : 'BB', body: `${i}` })
  await sleep(100)
  stop.abort()
  t.same(
    (await reading).map(bodyOf),
    Array.from({ length: 30 }, (_, i) => `${2 * i}`),
  )
})

t.test('a signal stops a follower that waits, and one that was aborted before never begins', async (t) => {
  const store = await openNew(t)
  await store.appendBatch(numbered(3))
  const stop = new AbortController()
  const reading = collect(store.messages({ ...queue, follow: true, signal: stop.signal }))
  await sleep(30)
  stop.abort()
  t.equal((await reading).length, 3)
  t.same(await collect(store.messages({ ...queue, signal: AbortSignal.abort() })), [])
})

t.test('closing the store ends its followers', async (t) => {
  const store = await openNew(t)
  await store.appendBatch(numbered(3))
  const followers = Array.from({ length: 20 }, () => collect(store.messages({ ...queue, follow: true })))
  await sleep(25)
  await store.close()
  t.same(
    (await Promise.all(followers)).map(({ length }) => length),
    followers.map(() => 3),
  )
})

t.test('a follower that is busy when its store closes ends as one that waits', async (t) => {
  const store = await openNew(t)
  await store.appendBatch(numbered(40))
  const seen: string[] = []
  let closing: Promise<void> | undefined
  for await (const message of store.messages({ ...queue, follow: true, batch: 8 })) {
    seen.push(bodyOf(message))
    if (seen.length === 5) closing = store.close()
  }
  await closing
  t.equal(seen.length, 8, 'the messages that it had')
  await t.rejects(collect(store.messages({ ...queue })), { code: 'STORE_NOT_OPEN' })
})

t.test('a follower of durable messages hears of them when they are on disk', async (t) => {
  const never = { ...small, flushIntervalCommitLog: 600_000, flushCommitLogThoroughInterval: 600_000 }
  const store = await openNew(t, { visible: 'durable', settings: never })
  const stop = new AbortController()
  const reading = collect(store.messages({ ...queue, follow: true, signal: stop.signal }))
  await store.appendBatch(numbered(4))
  await sleep(50)
  await store.flush()
  await sleep(100)
  stop.abort()
  t.same((await reading).map(bodyOf), ['0', '1', '2', '3'])
})

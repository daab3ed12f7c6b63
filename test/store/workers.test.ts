import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { MessageStore } from '#src/index.js'
import { Random, rounds, seed } from '../support/random.js'
import type { AppendWork } from './append-worker.js'
import { bodiesOf, bodyOf, collect, newDirectory, openAt, openNew, refusal, small } from './stores.js'

t.comment(`MILLRACE_SEED=${seed} MILLRACE_ROUNDS=${rounds}`)

/** A worker that appends beside others for minutes fills some hundred files, not ten thousand: the store holds each open. */
const settings = { ...small, mappedFileSizeCommitLog: 1 << 20, maxHashSlotNum: 5000, maxIndexNum: 20_000 }

function start(work: Omit<AppendWork, 'acknowledged' | 'slot'> & Partial<AppendWork>): Worker {
  const workerData = { acknowledged: new Int32Array(new SharedArrayBuffer(4)), slot: 0, ...work }
  return new Worker(new URL('append-worker.js', import.meta.url), { workerData })
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i}`)

for (const flush of ['async', 'sync'] as const) {
  t.test(`two workers append to one store while its opener appends and reads (${flush})`, async (t) => {
    const directory = newDirectory(t)
    const store = await openAt(t, directory, { flush, settings })
    const count = flush === 'sync' ? 160 : 2000
    const stop = new AbortController()
    const read = async (topic: string): Promise<string[]> => {
      const bodies: string[] = []
      for await (const message of store.messages({ topic, queueId: 0, follow: true, signal: stop.signal }))
        if (bodies.push(bodyOf(message)) === count) break
      return bodies
    }
    const reading = Promise.all(['a', 'b', 'mine'].map(read))
    reading.catch(() => stop.abort())
    const workers = ['a', 'b'].map((topic) => start({ handle: store.handle, topic, count }))
    const ended = Promise.all(workers.map((worker) => once(worker, 'exit')))
    for (let i = 0; i < count; i++) await store.append({ topic: 'mine', keys: `mine-${i}`, body: `${i}` })
    for (const bodies of await reading) t.same(bodies, numbers(count), 'each in order, none missing')
    t.same(await ended, [[0], [0]])
    stop.abort()
    await store.close()
    const again = await openAt(t, directory, { settings })
    t.equal(again.recovery.cleanBefore, true)
    for (const topic of ['a', 'b', 'mine']) {
      t.same(await bodiesOf(again, topic), numbers(count))
      t.ok(again.index.query(topic, `${topic}-${count - 1}`).length > 0)
    }
  })
}

t.test('a worker that is terminated in the middle of appends leaves the store and the others whole', async (t) => {
  const random = new Random(seed)
  for (const flush of ['async', 'sync'] as const) {
    const directory = newDirectory(t)
    const store = await openAt(t, directory, { flush, settings })
    const many = 6 * rounds
    const acknowledged = new Int32Array(new SharedArrayBuffer(4 * (many + 1)))
    const survivor = start({ handle: store.handle, topic: 'survivor', acknowledged, slot: many })
    for (let slot = 0; slot < many; slot++) {
      const victim = start({ handle: store.handle, topic: `victim${slot}`, acknowledged, slot })
      while (Atomics.load(acknowledged, slot) === 0) await sleep(1)
      await sleep(random.int(8))
      await victim.terminate()
      await store.append({ topic: 'mine', body: `${slot}` })
    }
    const before = Atomics.load(acknowledged, many)
    while (Atomics.load(acknowledged, many) < before + 40) await sleep(1)
    t.pass('the survivor goes on')
    await survivor.terminate()
    t.equal(store.state, 'open')
    t.same(await bodiesOf(store, 'mine'), numbers(many))
    await store.close()
    const again = await openAt(t, directory, { settings })
    t.match(again.recovery, { cleanBefore: true, torn: undefined, rebuiltQueues: [] })
    for (let slot = 0; slot <= many; slot++) {
      const bodies = await bodiesOf(again, slot === many ? 'survivor' : `victim${slot}`)
      const least = acknowledged[slot] as number
      if (bodies.length < least) t.fail(`${bodies.length} of ${least} acknowledged messages of ${slot}`)
      if (bodies.some((body, i) => body !== `${i}`)) t.fail(`messages of ${slot} are out of order`)
    }
    t.comment(`${flush}: ${many} terminated, ${acknowledged.reduce((sum, n) => sum + n, 0)} messages acknowledged`)
  }
})

t.test('a worker that is terminated before it has taken hold, or while it only reads, harms nothing', async (t) => {
  const store = await openNew(t, { settings })
  for (let i = 0; i < 6 * rounds; i++) {
    const worker = start({ handle: store.handle, topic: 'early' })
    if (i % 2) await once(worker, 'online')
    await worker.terminate()
    await store.append({ topic: 'mine', body: `${i}` })
  }
  t.equal((await bodiesOf(store, 'mine')).length, 6 * rounds)
})

t.test('the store closes with the last one who closes it', async (t) => {
  const directory = newDirectory(t)
  const store = await openAt(t, directory, { settings })
  const acknowledged = new Int32Array(new SharedArrayBuffer(4))
  const worker = start({ handle: store.handle, topic: 'worker', acknowledged })
  const second = MessageStore.attach(store.handle)
  while (Atomics.load(acknowledged, 0) === 0) await sleep(1)
  await store.close()
  t.equal(store.state, 'closed')
  t.equal((await refusal(() => store.append({ topic: 'a' }))).code, 'STORE_NOT_OPEN')
  t.equal(second.state, 'open')
  await second.append({ topic: 'second' })
  const before = Atomics.load(acknowledged, 0)
  while (Atomics.load(acknowledged, 0) < before + 20) await sleep(1)
  t.equal((await refusal(() => MessageStore.open(directory, { settings }))).code, 'STORE_LOCKED', 'it is still open')
  await second.close()
  t.equal((await refusal(() => MessageStore.open(directory, { settings }))).code, 'STORE_LOCKED', 'the worker has it still')
  await worker.terminate()
  const again = await openAt(t, directory, { settings })
  t.equal(again.recovery.cleanBefore, true, 'the death of the last one closed it')
  t.ok((await collect(again.messages({ topic: 'worker', queueId: 0 }))).length >= before + 20)
  t.equal((await bodiesOf(again, 'second')).length, 1)
})

t.test('attached stores share everything but their own closing', async (t) => {
  const store = await openNew(t, { settings, flush: 'sync' })
  const other = MessageStore.attach(structuredClone(store.handle))
  t.same(other.handle, store.handle)
  t.equal(other.directory, store.directory)
  t.same(other.recovery, store.recovery)
  const results = await Promise.all([
    store.append({ topic: 'a' }),
    other.append({ topic: 'a' }),
    store.appendBatch([{ topic: 'a' }]),
    other.append({ topic: 'b' }),
  ])
  t.same(
    results.flat().map(({ status }) => status),
    ['PUT_OK', 'PUT_OK', 'PUT_OK', 'PUT_OK'],
  )
  t.same(other.queues(), store.queues())
  t.equal(other.maxLogOffset, store.maxLogOffset)
  await other.close()
  t.equal(other.state, 'closed')
  t.equal((await store.append({ topic: 'a' })).queueOffset, 3)
})

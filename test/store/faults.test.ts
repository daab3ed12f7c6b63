import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { SyncFlush } from '#src/index.js'
import { bodiesOf, collect, newDirectory, numbered, openAt, openNew, refusal, small } from './stores.js'

t.setTimeout(240_000)

const queue = { topic: 'orders', queueId: 0 }
const [EIO, ENOSPC] = [5, 28]
const BODY_BYTES = 8192
/** Of what a sync keeps waiting, garbage on its way included. */
const MAX_GROWTH = 128 << 20

t.test('after a failed sync every write is refused until the store is opened again; reads go on, and nothing is lost', async (t) => {
  const directory = newDirectory(t)
  const store = await openAt(t, directory, { flush: 'sync', faults: `sync_data:errno=${EIO}:after=2:times=1:path=/commitlog/` })
  t.equal((await store.append({ ...queue, body: '0' })).status, 'PUT_OK')
  t.equal(store.appendSync({ ...queue, body: '1' }).status, 'PUT_OK')
  const unsure = await Promise.allSettled([store.append({ ...queue, body: '2' }), store.append({ ...queue, body: '3' })])
  for (const one of unsure) {
    if (one.status === 'fulfilled') t.equal(one.value.status, 'FLUSH_DISK_TIMEOUT', 'never PUT_OK')
    else t.equal(one.reason.code, 'SYNC_FAILED')
  }
  t.equal(store.state, 'failed')
  const refused = [
    () => store.append(queue),
    () => store.append(queue, { wait: false }),
    () => store.appendSync(queue),
    () => store.appendBatch([queue]),
    () => store.appendBatchSync([queue]),
    () => store.appendRaw(store.maxLogOffset, Buffer.alloc(1)),
    () => store.flush(),
  ]
  for (const work of refused) {
    const error = await refusal(work)
    t.equal(error.code, 'STORE_FAILED')
    t.match(error.message, /sync/)
  }
  t.same(await bodiesOf(store, 'orders'), ['0', '1', '2', '3'])
  t.ok(store.flushedLogOffset < store.maxLogOffset)
  await refusal(() => store.close())
  const again = await openAt(t, directory, { flush: 'sync' })
  t.equal(again.recovery.cleanBefore, false)
  t.same(await bodiesOf(again, 'orders'), ['0', '1', '2', '3'])
  t.match(await again.append({ ...queue, body: '4' }), { status: 'PUT_OK', queueOffset: 4 })
})

t.test('appendSync throws when its own sync fails, and the others of the group are told too', async (t) => {
  const store = await openNew(t, { flush: 'sync', faults: `sync_data:errno=${EIO}:path=/commitlog/` })
  t.equal((await refusal(() => store.appendSync(queue))).code, 'SYNC_FAILED')
  t.equal((await refusal(() => store.appendSync(queue))).code, 'STORE_FAILED')
})

t.test('a failed sync in the background fails an asynchronous store too', async (t) => {
  const store = await openNew(t, {
    faults: `sync_data:errno=${EIO}:path=/commitlog/`,
    settings: { ...small, flushIntervalCommitLog: 1, flushCommitLogLeastPages: 0 },
  })
  for (let i = 0; store.state === 'open'; i++) {
    if (i > 5000) throw new Error('the store did not notice')
    await store.append({ ...queue, body: Buffer.alloc(1000) }).catch(() => {})
    await sleep(1)
  }
  t.equal(store.state, 'failed')
  t.equal((await refusal(() => store.append(queue))).code, 'STORE_FAILED')
  t.ok((await collect(store.records())).length > 0)
})

t.test('a sync of five seconds: appends settle with FLUSH_DISK_TIMEOUT, memory stays flat and the event loop free', async (t) => {
  const store = await openNew(t, {
    flush: new SyncFlush({ timeoutMs: 100 }),
    maxWaitingAppends: 500,
    whenFull: 'reject',
    settings: { ...small, mappedFileSizeCommitLog: 64 << 20 },
    faults: 'sync_data:delay=5000:times=1:after=1:path=/commitlog/',
  })
  t.equal((await store.append({ ...queue, body: 'first' })).status, 'PUT_OK')
  const body = Buffer.alloc(1024)
  const statuses = new Map<string, number>()
  const count = (what: string): void => void statuses.set(what, (statuses.get(what) ?? 0) + 1)
  let turns = 0
  let slow = true
  const through = store.append({ ...queue, body: 'slow' }).then(async (result) => {
    count(result.status)
    // The sync is over when the next append gets its own.
    while ((await store.append({ ...queue, body: 'after' }).catch(() => undefined))?.status !== 'PUT_OK') await sleep(50)
    slow = false
  })
  let highest = 0
  const before = process.memoryUsage().rss
  while (slow) {
    for (let i = 0; i < 40; i++) {
      store.append({ ...queue, body }).then(
        ({ status }) => count(status),
        ({ code }) => count(code),
      )
    }
    await sleep(1)
    turns++
    highest = Math.max(highest, process.memoryUsage().rss)
  }
  await through
  t.ok((statuses.get('FLUSH_DISK_TIMEOUT') ?? 0) > 0, 'the outcome is told')
  t.ok((statuses.get('TOO_MANY_WAITING') ?? 0) > 0, 'what may wait is bounded')
  t.ok(turns > 50, `the loop turned ${turns} times`)
  t.ok(highest - before < MAX_GROWTH, `memory grew by ${highest - before} bytes at most`)
  t.comment(Object.fromEntries(statuses), { turns, grown: highest - before })
  t.equal(store.state, 'open')
})

t.test('a sync of five seconds that all wait for: what waits is bounded, and memory stays flat', async (t) => {
  const maxWaitingAppends = 500
  const store = await openNew(t, {
    flush: new SyncFlush({ timeoutMs: 60_000 }),
    maxWaitingAppends,
    whenFull: 'reject',
    settings: { ...small, mappedFileSizeCommitLog: 64 << 20 },
    faults: 'sync_data:delay=5000:times=1:path=/commitlog/',
  })
  const counts = { waiting: 0, stored: 0, rejected: 0 }
  let offered = 0
  let most = 0
  let highest = 0
  const offer = (): void => {
    offered += BODY_BYTES
    counts.waiting++
    store.append({ ...queue, body: Buffer.alloc(BODY_BYTES, 1) }).then(
      () => counts.stored++ && counts.waiting--,
      ({ code }) => code === 'TOO_MANY_WAITING' && counts.rejected++ && counts.waiting--,
    )
  }
  const first = store.append({ ...queue, body: 'first' }).then(() => true)
  const before = process.memoryUsage().rss
  while (!(await Promise.race([first, sleep(1, false)]))) {
    for (let i = 0; i < 40; i++) offer()
    await sleep(0)
    most = Math.max(most, counts.waiting)
    highest = Math.max(highest, process.memoryUsage().rss)
  }
  t.comment({ ...counts, most, offered, grown: highest - before })
  t.ok(most <= maxWaitingAppends, `${most} waited`)
  t.ok(offered > 2 * MAX_GROWTH, `${offered} bytes were offered`)
  t.ok(highest - before < MAX_GROWTH, `memory grew by ${highest - before} bytes`)
})

t.test('appendSync does not wait longer than its timeout for the sync of somebody else', async (t) => {
  const store = await openNew(t, { flush: new SyncFlush({ timeoutMs: 50 }), faults: 'sync_data:delay=1500:times=1:path=/commitlog/' })
  const other = store.append({ ...queue, body: 'other' })
  await sleep(100)
  t.equal(store.appendSync({ ...queue, body: 'mine' }).status, 'FLUSH_DISK_TIMEOUT')
  t.equal((await other).status, 'FLUSH_DISK_TIMEOUT')
  t.same(await bodiesOf(store, 'orders'), ['other', 'mine'], 'both are in the log')
})

t.test('a disk that stays full refuses every append, and takes them when there is room', async (t) => {
  const directory = newDirectory(t)
  const store = await openAt(t, directory, { faults: `reserve:errno=${ENOSPC}:after=8:times=200` })
  const stored: string[] = []
  let refused = 0
  for (let i = 0; i < 2000; i++) {
    const body = `${i}`.padEnd(500, '.')
    await store.append({ ...queue, body }).then(
      () => stored.push(body),
      (error) => {
        if (error.code !== 'DISK_FULL') t.fail(`${error}`)
        refused++
      },
    )
  }
  t.ok(refused > 0 && stored.length > 100, `${refused} refused, ${stored.length} stored`)
  t.same(await bodiesOf(store, 'orders'), stored)
  await store.close()
  t.same(await bodiesOf(await openAt(t, directory), 'orders'), stored)
})

t.test('a slow disk makes appends slow, not wrong', async (t) => {
  const store = await openNew(t, { flush: 'sync', faults: 'sync_data:delay=20;write:delay=2' })
  const results = await Promise.all(numbered(200).map((message) => store.append(message)))
  t.ok(results.every(({ status }) => status === 'PUT_OK'))
  t.same(
    await bodiesOf(store, 'orders'),
    numbered(200).map(({ body }) => body),
  )
})

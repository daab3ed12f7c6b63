/** A copy of a running store: complete as of a moment, added to, and a store of its own. */
import { cp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import type { MessageStore } from '#src/index.js'
import { bodiesOf, bodyOf, collect, newDirectory, numbered, openAt, openNew, refusal } from './stores.js'

t.setTimeout(120_000)

const queue = { topic: 'orders', queueId: 0 }

/** Both have the same log below an offset, byte for byte, and the same queues and keys of it. */
async function sameBelow(t: Parameters<typeof newDirectory>[0], copy: MessageStore, store: MessageStore, end: number): Promise<void> {
  t.equal(copy.maxLogOffset, end)
  t.equal(copy.minLogOffset, store.minLogOffset)
  const [here, there] = await Promise.all([collect(store.records({ to: end })), collect(copy.records())])
  t.equal(there.length, here.length)
  t.ok(
    there.every(({ raw }, i) => raw.equals(here[i]!.raw)),
    'every record, byte for byte',
  )
  const wrong = []
  for (const { topic, queueId, minOffset, maxOffset } of copy.queues()) {
    const messages = await collect(copy.messages({ topic, queueId }))
    if (messages.length !== maxOffset - minOffset || messages.some(({ queueOffset }, i) => queueOffset !== minOffset + i)) wrong.push(topic)
    if (minOffset !== store.bounds(topic, queueId).minOffset) wrong.push(`${topic} begins at ${minOffset}`)
    for (const message of [messages[0], messages.at(-1)])
      if (message !== undefined && !copy.index.query(topic, message.keys[0] as string).includes(message.logOffset))
        wrong.push(message.keys[0])
  }
  t.same(wrong, [])
}

t.test('a backup under load is the store as it was at a moment; the next one adds what has come since', async (t) => {
  const directory = newDirectory(t)
  const store = await openNew(t)
  let stop = false
  let count = 0
  const load = (async () => {
    while (!stop) {
      await store.appendBatch(numbered(20, { topic: `t${count % 7}`, from: count }))
      count += 20
      await sleep(2)
    }
  })()
  const results = []
  for (let round = 0; round < 5; round++) {
    const before = store.maxLogOffset
    while (store.maxLogOffset < before + 200_000) await turn()
    results.push(await store.backup(directory))
    const copy = await openAt(t, directory, { readOnly: true })
    await sameBelow(t, copy, store, results.at(-1)!.to)
    await copy.close()
    if (round === 2) t.ok((await store.deleteBelow(results.at(-1)!.to - 150_000)) > 0)
  }
  stop = true
  await load
  for (const [i, { from, to, copiedBytes }] of results.entries()) {
    t.equal(from, results[i - 1]?.to ?? 0)
    t.equal(copiedBytes, to - from)
  }
  const elsewhere = `${directory}-restored`
  await cp(directory, elsewhere, { recursive: true })
  const restored = await openAt(t, elsewhere)
  t.match(restored.recovery, { cleanBefore: true, rebuiltQueues: [], rebuiltIndexEntries: 0 })
  t.equal((await restored.append({ topic: 't0', body: 'goes on' })).queueOffset, restored.bounds('t0', 0).maxOffset - 1)
  t.same(await store.backup(directory), {
    from: results.at(-1)!.to,
    to: store.maxLogOffset,
    copiedBytes: store.maxLogOffset - results.at(-1)!.to,
  })
  t.same(await store.backup(directory), { from: store.maxLogOffset, to: store.maxLogOffset, copiedBytes: 0 }, 'nothing has come')
})

t.test('numbers are not given again, cursors and config/ come along, retention does not', async (t) => {
  const store = await openNew(t, { retention: { maxBytes: 1 } })
  await store.appendBatch(numbered(5, { topic: 'gone' }))
  const cursor = await store.cursor('billing')
  cursor.seek('orders', 0, 30)
  await cursor.commit()
  await store.appendBatch(numbered(2000))
  await store.flush()
  await store.clean()
  t.match(store.bounds('gone', 0), { minOffset: 5, maxOffset: 5 })
  const directory = newDirectory(t)
  await store.backup(directory)
  const copy = await openAt(t, directory)
  t.match(copy.bounds('gone', 0), { minOffset: 5, maxOffset: 5 })
  t.equal((await copy.append({ topic: 'gone' })).queueOffset, 5)
  t.same((await copy.cursor('billing')).positions(), [{ ...queue, offset: 30 }])
  t.same(await bodiesOf(copy, 'orders'), await bodiesOf(store, 'orders'))
})

t.test('a store that reads only, or has failed, can be backed up', async (t) => {
  const store = await openNew(t)
  await store.appendBatch(numbered(500))
  const reader = await openAt(t, store.directory, { readOnly: true })
  const directory = newDirectory(t)
  t.equal((await reader.backup(directory)).to, store.maxLogOffset)
  const failing = await openNew(t, { flush: 'sync', faults: 'sync_data:errno=5:path=/commitlog/:times=1' })
  await refusal(() => failing.appendSync({ topic: 'orders', keys: 'k0', body: 'x' }))
  t.equal(failing.state, 'failed')
  const saved = newDirectory(t)
  await failing.backup(saved)
  t.same(await bodiesOf(await openAt(t, saved), 'orders'), ['x'])
})

t.test('an interrupted backup is a store that crashed, and the next one goes on from it', async (t) => {
  const store = await openNew(t, { faults: 'reserve:errno=28:after=8:times=20:path=-saved' })
  await store.appendBatch(numbered(3000))
  const directory = `${store.directory}-saved`
  t.match(await refusal(() => store.backup(directory)), { code: 'DISK_FULL' })
  t.ok((await readdir(join(directory, 'commitlog'))).length > 0)
  // As often as it is interrupted.
  let done = await store.backup(directory).catch(() => undefined)
  for (let tries = 0; done === undefined && tries < 30; tries++) done = await store.backup(directory).catch(() => undefined)
  t.equal(done?.to, store.maxLogOffset)
  await sameBelow(t, await openAt(t, directory), store, store.maxLogOffset)
})

t.test('a directory with another store is refused and left as it is', async (t) => {
  const store = await openNew(t)
  await store.appendBatch(numbered(100))
  const other = await openNew(t)
  await other.appendBatch(numbered(50, { topic: 'other' }))
  const { maxLogOffset } = other
  await other.close()
  t.match(await refusal(() => store.backup(other.directory)), { code: 'BACKUP_MISMATCH', message: /no earlier backup/ })
  t.equal((await openAt(t, other.directory)).maxLogOffset, maxLogOffset)

  const directory = newDirectory(t)
  await store.backup(directory)
  const copy = await openAt(t, directory)
  t.match(await refusal(() => store.backup(directory)), { code: 'STORE_LOCKED' }, 'somebody has the backup open')
  await copy.append({ topic: 'orders', body: 'on its own' })
  await copy.close()
  t.match(await refusal(() => store.backup(directory)), { code: 'BACKUP_MISMATCH' }, 'one that went on by itself')
  await store.appendBatch(numbered(100, { topic: 'x' }))
  t.match(await refusal(() => store.backup(directory)), { code: 'BACKUP_MISMATCH' })

  const late = newDirectory(t)
  await store.backup(late)
  await store.appendBatch(numbered(3000))
  await store.flush()
  await store.deleteBelow(store.maxLogOffset)
  t.match(await refusal(() => store.backup(late)), { code: 'BACKUP_MISMATCH', message: /its log ends at/ }, 'what lies between is gone')
  await rm(late, { recursive: true })
  await store.backup(late)

  for (const bad of ['', 5, undefined, store.directory, join(store.directory, 'inside'), join(store.directory, '..')])
    t.match(await refusal(() => store.backup(bad as never)), { code: 'INVALID_ARGUMENT' }, String(bad))
})

t.test('a gap in a queue is a gap in its backup', async (t) => {
  const from = await openNew(t)
  await from.appendBatch(numbered(6))
  const bytes = (await collect(from.records())).map(({ raw }) => Buffer.from(raw))
  const QUEUE_OFFSET_AT = 20
  for (const [i, record] of bytes.entries()) if (i >= 3) record.writeBigInt64BE(BigInt(i + 2), QUEUE_OFFSET_AT)
  const store = await openNew(t, { onDamage: () => {} })
  store.appendRaw(0, Buffer.concat(bytes))
  t.same(store.bounds('orders', 0), { minOffset: 0, maxOffset: 8 })
  const messages = await collect(store.messages(queue))
  t.same(
    messages.map(({ queueOffset }) => queueOffset),
    [0, 1, 2, 5, 6, 7],
  )
  t.same(messages.map(bodyOf), ['0', '1', '2', '3', '4', '5'])
  const directory = newDirectory(t)
  await store.backup(directory)
  t.same(
    (await collect((await openAt(t, directory, { onDamage: () => {} })).messages(queue))).map(({ queueOffset }) => queueOffset),
    [0, 1, 2, 5, 6, 7],
  )
})

/** The seam of replication, with a slave that takes the log's bytes as they come: what a broker's HA service does over a network. */
import { closeSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { MessageStore, Replication, ReplicationStatus } from '#src/index.js'
import { bodiesOf, newDirectory, numbered, openAt, openNew, small } from './stores.js'

t.setTimeout(60_000)

/** Copies the master's log from its segment files whenever an append waits; `present` and `prompt` make it fail as a real one may. */
class FakeSlave implements Replication {
  present = true
  prompt = true
  readonly asked: number[] = []
  #master: MessageStore | undefined

  constructor(readonly store: MessageStore) {}

  follow(master: MessageStore): void {
    this.#master = master
  }

  async waitFor(logOffset: number): Promise<ReplicationStatus> {
    this.asked.push(logOffset)
    if (!this.present) return 'SLAVE_NOT_AVAILABLE'
    if (!this.prompt) return 'FLUSH_SLAVE_TIMEOUT'
    this.#copyUpTo(logOffset)
    return 'PUT_OK'
  }

  #copyUpTo(logOffset: number): void {
    const { directory, commitLog } = this.#master as MessageStore
    while (this.store.maxLogOffset < logOffset) {
      const from = this.store.commitLog.writtenOffset
      const at = from % commitLog.segmentBytes
      const bytes = Buffer.alloc(Math.min(logOffset - from, commitLog.segmentBytes - at))
      const segment = openSync(join(directory, 'commitlog', String(from - at).padStart(20, '0')), 'r')
      readSync(segment, bytes, 0, bytes.length, at)
      closeSync(segment)
      this.store.appendRaw(from, bytes)
    }
    commitLog.confirmOffset = logOffset
  }
}

async function pair(t: Test, flush: 'async' | 'sync'): Promise<{ master: MessageStore; slave: FakeSlave }> {
  const slave = new FakeSlave(await openNew(t))
  const master = await openAt(t, newDirectory(t), { flush, replication: slave })
  slave.follow(master)
  return { master, slave }
}

for (const flush of ['async', 'sync'] as const) {
  t.test(`an append waits for the slave, and the slave becomes the same store (${flush})`, async (t) => {
    const { master, slave } = await pair(t, flush)
    t.equal(master.commitLog.confirmOffset, -1)
    const body = (i: number): string => `${i}`.padEnd(900, '.')
    for (let i = 0; i < 150; i++) {
      const { status, logOffset, size } = await master.append({ topic: 'orders', keys: `k${i}`, body: body(i) })
      if (status !== 'PUT_OK' || slave.store.maxLogOffset < logOffset + size) t.fail(`message ${i}: ${status}`)
    }
    t.ok(slave.store.maxLogOffset > 2 * small.mappedFileSizeCommitLog, 'over several segments')
    t.equal(master.commitLog.confirmOffset, master.maxLogOffset)
    t.same(slave.store.queues(), master.queues())
    t.same(await bodiesOf(slave.store, 'orders'), await bodiesOf(master, 'orders'))
    t.same(slave.store.index.query('orders', 'k77'), master.index.query('orders', 'k77'))
  })

  t.test(`a slave that is slow or away is an outcome, and the message is stored (${flush})`, async (t) => {
    const { master, slave } = await pair(t, flush)
    slave.present = false
    t.equal((await master.append({ topic: 'orders', body: '0' })).status, 'SLAVE_NOT_AVAILABLE')
    slave.present = true
    slave.prompt = false
    t.equal((await master.append({ topic: 'orders', body: '1' })).status, 'FLUSH_SLAVE_TIMEOUT')
    t.equal(master.commitLog.confirmOffset, -1)
    t.equal(master.appendSync({ topic: 'orders', body: '2' }).status, 'PUT_OK', 'a blocking append asks no slave')
    t.equal(slave.asked.length, 2)
    slave.prompt = true
    t.same(
      (await master.appendBatch(numbered(2, { from: 3 }))).map(({ status }) => status),
      ['PUT_OK', 'PUT_OK'],
    )
    t.same(await bodiesOf(slave.store, 'orders'), ['0', '1', '2', '3', '4'], 'what it had missed comes with the next')
  })
}

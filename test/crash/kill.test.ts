/** A writer is killed at any moment, again and again on the same directory: what it was told is what is found. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { MessageStore } from '#src/index.js'
import { type Acknowledged, readNotes } from '../support/acknowledged.js'
import { runWriter } from '../support/crash-peer.js'
import { Random, rounds, seed } from '../support/random.js'

/** So small that nearly every moment lies in the making of some file: a segment holds about 60 messages, a queue file 5, an index file 19 keys. */
const settings = {
  mappedFileSizeCommitLog: 16384,
  mappedFileSizeConsumeQueue: 100,
  maxHashSlotNum: 5,
  maxIndexNum: 20,
  maxMessageSize: 4096,
}

interface Findings {
  lost: object[]
  wrong: object[]
  unindexed: object[]
  records: number
}

/** Opens the store and holds it against the notes: each message in its place with its content, queues without a gap, every key in the index. */
async function look(directory: string, notes: readonly Acknowledged[]): Promise<{ store: MessageStore; findings: Findings }> {
  const store = await MessageStore.open(directory, { settings })
  const findings: Findings = { lost: [], wrong: [], unindexed: [], records: 0 }
  const { lost, wrong, unindexed } = findings
  const found = new Map<number, string>()
  const next = new Map<string, number>()
  const units = new Map<string, { logOffset: number; size: number }[]>()
  for (const { topic, queueId, maxOffset, minOffset } of store.queues()) {
    const list = [...store.consumeQueue(topic, queueId).units()]
    units.set(`${topic} ${queueId}`, list)
    if (minOffset !== 0 || list.length !== maxOffset) wrong.push({ topic, queueId, minOffset, maxOffset, units: list.length })
  }
  for await (const { topic, queueId, queueOffset, logOffset, size, keys, body } of store.records()) {
    findings.records++
    const key = keys[0] ?? ''
    found.set(logOffset, `${topic} ${queueId} ${queueOffset} ${key}`)
    const queue = `${topic} ${queueId}`
    if (queueOffset !== (next.get(queue) ?? 0)) wrong.push({ logOffset, queueOffset, expected: next.get(queue) })
    next.set(queue, queueOffset + 1)
    const fill = Number(key.slice(1)) & 0xff
    if (!body.every((byte) => byte === fill)) wrong.push({ logOffset, key, body })
    const unit = units.get(queue)?.[queueOffset]
    if (unit?.logOffset !== logOffset || unit.size !== size) wrong.push({ logOffset, queue, queueOffset, unit })
    // Five slots make chains long: every fourth key is asked for.
    if (logOffset % 4 === 0 && !store.index.query(topic, key, { limit: 1000 }).includes(logOffset))
      unindexed.push({ logOffset, topic, key })
  }
  for (const [queue, list] of units)
    if (list.length !== (next.get(queue) ?? 0)) wrong.push({ queue, units: list.length, records: next.get(queue) })
  for (const { topic, queueId, queueOffset, logOffset, keys } of notes)
    if (found.get(logOffset) !== `${topic} ${queueId} ${queueOffset} ${keys}`)
      lost.push({ topic, queueId, queueOffset, logOffset, keys, found: found.get(logOffset) })
  return { store, findings }
}

t.test('after two hundred SIGKILLs every acknowledged message is in its place, and nothing else is wrong', async (t) => {
  t.comment(`MILLRACE_SEED=${seed} MILLRACE_ROUNDS=${rounds}`)
  const root = t.testdir({})
  let kills = 0
  let messages = 0
  let torn = 0
  /** A line of stores, each killed twenty times. */
  const line = async (random: Random, stores: readonly number[]): Promise<void> => {
    for (const number of stores) {
      const dir = join(root, `store-${number}`)
      const notes = join(root, `notes-${number}`)
      for (let kill = 0; kill < 20; kill++) {
        const flush = random.pick(['async', 'sync'] as const)
        const from = (await readNotes(notes)).length
        const topics = random.between(1, 12)
        await runWriter({ dir, settings, notes, random, flush, from, count: random.between(1, 300), topics, killWithinMs: 40 })
        kills++
        const acknowledged = await readNotes(notes)
        const { store, findings } = await look(dir, acknowledged)
        const where = `store ${number} after kill ${kill} (${flush})`
        for (const what of ['lost', 'wrong', 'unindexed'] as const)
          if (findings[what].length > 0)
            t.fail(`${where}: ${findings[what].length} ${what}`, { first: findings[what][0], recovery: store.recovery })
        if (store.recovery.torn !== undefined) torn++
        if (kill % 5 === 4) {
          // What the first look has made good must still be good.
          const again = store.close().then(() => look(dir, acknowledged))
          const second = await again
          const { lost, wrong, unindexed } = second.findings
          if (lost.length + wrong.length + unindexed.length > 0) t.fail(`${where}, opened again`, { ...second.findings })
          if (!second.store.recovery.cleanBefore) t.fail(`${where}: not clean after close`)
          await second.store.close()
        } else {
          await store.close()
        }
        messages += acknowledged.length - from
      }
      await rm(dir, { recursive: true, force: true })
    }
  }
  const count = 5 * rounds
  await Promise.all(
    [0, 1].map((n) =>
      line(
        new Random(seed + n),
        Array.from({ length: count }, (_, i) => 2 * i + n),
      ),
    ),
  )
  t.ok(kills >= 200, `${kills} kills, ${messages} messages acknowledged, ${torn} torn tails`)
})

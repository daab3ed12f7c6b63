/** A store that is open for reading while another process writes it, and while that one is killed. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { MessageStore } from '#src/index.js'
import { bodyOf, collect, newDirectory, openAt } from '../store/stores.js'
import { type Acknowledged, lost, readNotes, summary } from '../support/acknowledged.js'
import { foundOf, queuesOf } from '../support/contents.js'
import { runWriter } from '../support/crash-peer.js'
import { Random, rounds, seed } from '../support/random.js'

t.comment(`MILLRACE_SEED=${seed} MILLRACE_ROUNDS=${rounds}`)

const settings = {
  mappedFileSizeCommitLog: 32768,
  mappedFileSizeConsumeQueue: 200,
  maxHashSlotNum: 20,
  maxIndexNum: 80,
  maxMessageSize: 4096,
}

t.test('a reader sees what another process appends: new messages, new segments, new queues', async (t) => {
  const random = new Random(seed)
  const dir = newDirectory(t)
  const notes = `${dir}.notes`
  await runWriter({ dir, settings, notes, random, flush: 'async', from: 0, count: 20, topics: 1, killWithinMs: 0, close: true })
  for (const close of [true, false]) {
    const reader = await MessageStore.open(dir, { settings, readOnly: true })
    const from = (await readNotes(notes)).length
    let writing = true
    const writer = runWriter({
      dir,
      settings,
      notes,
      random,
      flush: 'async',
      from,
      count: 2000,
      topics: 6,
      killWithinMs: 400,
      close,
    }).finally(() => {
      writing = false
    })
    let looks = 0
    while (writing) {
      // Whatever was acknowledged before the look must be seen by it.
      const acknowledged = await readNotes(notes)
      const unseen = await unseenOf(reader, acknowledged)
      if (unseen.length > 0) t.fail(`${unseen.length} of ${acknowledged.length} are not seen`, { ...unseen[0] })
      looks++
      await sleep(5)
    }
    await writer
    const acknowledged = await readNotes(notes)
    t.same(await unseenOf(reader, acknowledged), [], `all ${acknowledged.length} in the end, after ${looks} looks`)
    await reader.close()
  }
  const store = await openAt(t, dir, { settings })
  t.same(summary(lost(await readNotes(notes), await foundOf(store), queuesOf(store))), { count: 0 })
})

/** The acknowledged messages that a reader does not pull. */
async function unseenOf(reader: MessageStore, acknowledged: readonly Acknowledged[]): Promise<Acknowledged[]> {
  const last = new Map<string, Acknowledged>()
  for (const one of acknowledged) last.set(`${one.topic} ${one.queueId}`, one)
  const unseen: Acknowledged[] = []
  for (const one of last.values()) {
    const { topic, queueId, queueOffset: offset } = one
    const { messages } = await reader.pull({ topic, queueId, offset, maxMessages: 1 })
    if (messages[0]?.logOffset !== one.logOffset || messages[0].keys[0] !== one.keys) unseen.push(one)
  }
  return unseen
}

t.test('a reader in the process of the writer follows it over segments, and outlives it', async (t) => {
  const directory = newDirectory(t)
  const store = await openAt(t, directory, { settings })
  await store.append({ topic: 'orders', body: '0' })
  const reader = await openAt(t, directory, { settings, readOnly: true })
  const stop = new AbortController()
  const following = collect(reader.messages({ topic: 'orders', queueId: 0, follow: true, signal: stop.signal }))
  for (let i = 1; i < 1500; i++) {
    store.appendSync({ topic: 'orders', body: `${i}` })
    if (i % 100 === 0) await sleep(1)
  }
  await store.close()
  while (reader.bounds('orders', 0).maxOffset < 1500) await sleep(1)
  await sleep(100)
  stop.abort()
  t.same(
    (await following).map(bodyOf),
    Array.from({ length: 1500 }, (_, i) => `${i}`),
  )
  t.same(reader.queues(), [{ topic: 'orders', queueId: 0, minOffset: 0, maxOffset: 1500 }])
  t.equal((await collect(reader.records())).length, 1500)
})

t.test('a reader that opens while a writer is killed finds no damage in what is only unfinished', async (t) => {
  const random = new Random(seed + 1)
  const dir = newDirectory(t)
  const notes = `${dir}.notes`
  await runWriter({ dir, settings, notes, random, flush: 'async', from: 0, count: 100, topics: 3, killWithinMs: 0, close: true })
  let opened = 0
  for (let round = 0; round < 3 * rounds; round++) {
    let writing = true
    const from = (await readNotes(notes)).length
    const writer = runWriter({
      dir,
      settings,
      notes,
      random,
      flush: random.pick(['async', 'sync'] as const),
      from,
      count: 500,
      topics: 3,
      killWithinMs: 150,
    }).finally(() => {
      writing = false
    })
    while (writing) {
      const acknowledged = await readNotes(notes)
      const reader = await MessageStore.open(dir, { settings, readOnly: true }).catch((error) => t.fail(`${error}`))
      if (reader instanceof MessageStore) {
        const unseen = await unseenOf(reader, acknowledged)
        if (unseen.length > 0) t.fail(`${unseen.length} of ${acknowledged.length} are not seen`, { ...unseen[0] })
        await reader.close()
        opened++
      }
      await sleep(1)
    }
    await writer
  }
  t.ok(opened > 0, `${opened} times`)
})

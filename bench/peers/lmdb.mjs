// lmdb: place → body, and key → place where keys are on.
//   flush=async  noSync, and a sync every 500 ms: a power cut may lose that period (and, with noSync, the file's order of writes)
//   flush=sync   settled by the commit's `flushed`
//   style=transaction (1,000 a transaction) | inFlight (so many puts at once, batched by lmdb itself) | single
import { fdatasync, openSync } from 'node:fs'
import { join } from 'node:path'
import { open } from 'lmdb'
import { bodyOf, inFlight, keyOf, options, place, QUEUES, TRANSACTION, timeAppends, timeReads } from '../workload.mjs'

const sync = options.flush === 'sync'
const root = open({ path: options.dir, noSync: !sync, mapSize: 64 * 2 ** 30, maxDbs: 2, noSubdir: false, noMemInit: true })
const byPlace = root.openDB({ name: 'messages', encoding: 'binary' })
const byKey = root.openDB({ name: 'keys', encoding: 'ordered-binary' })

if (!sync) {
  const file = openSync(join(options.dir, 'data.mdb'), 'r+')
  let syncing = false
  setInterval(() => {
    if (syncing) return
    syncing = true
    fdatasync(file, () => {
      syncing = false
    })
  }, 500).unref()
}

function put(i) {
  if (options.keys) byKey.put(keyOf(i), place(i))
  return byPlace.put(place(i), bodyOf(i))
}

const styles = {
  async transaction(from, to) {
    const size = sync ? options.inFlight : TRANSACTION
    for (let i = from; i < to; i += size) {
      byPlace.transactionSync(() => {
        for (let j = i; j < Math.min(to, i + size); j++) {
          if (options.keys) byKey.putSync(keyOf(j), place(j))
          byPlace.putSync(place(j), bodyOf(j))
        }
      })
      if (sync) await byPlace.flushed
      else if (i % 100_000 === 0) await new Promise(setImmediate)
    }
  },
  inFlight: (from, to) =>
    inFlight(options.inFlight, from, to, async (i) => {
      const committed = put(i)
      await (sync ? (committed.flushed ?? committed.then(() => byPlace.flushed)) : committed)
    }),
  async single(from, to) {
    for (let i = from; i < to; i++) {
      if (options.keys)
        byPlace.transactionSync(() => {
          byKey.putSync(keyOf(i), place(i))
          byPlace.putSync(place(i), bodyOf(i))
        })
      else byPlace.putSync(place(i), bodyOf(i))
      if (sync) await byPlace.flushed
      else if (i % 100_000 === 0) await new Promise(setImmediate)
    }
  },
}

if (options.work === 'pull') {
  await styles.transaction(0, options.count)
  await timeReads(() => {
    let messages = 0
    let bytes = 0
    for (let queueId = 0; queueId < QUEUES; queueId++) {
      for (let offset = 0; ; offset += 32) {
        const start = place(queueId) + offset
        let found = 0
        for (const { value } of byPlace.getRange({ start, end: start + 32 })) {
          bytes += value.length
          found++
        }
        messages += found
        if (found < 32) break
      }
    }
    if (bytes !== messages * options.body) throw new Error(`${bytes} bytes in ${messages} messages`)
    return messages
  })
} else {
  await timeAppends(styles[options.style])
}
await root.close()

// A process writes `bytes` of records and is killed with SIGKILL; then the store is opened.
// Rate: bytes scanned a second of the whole opening, which includes making all of it durable. `scannedShare` is of what it may scan: a segment, and
// what was written since the last checkpoint, whose time the file `checkpoint` tells. Files are warm, or dropped from the page cache (cold=1).
import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { message, options, print, recordBytes } from '../workload.mjs'
import { openStore } from './open.mjs'

const SEGMENT = 2 ** 30
const { bytes = 4 * SEGMENT } = options

if (process.send) {
  const store = await openStore()
  const total = Math.floor(bytes / recordBytes())
  const written = [] // [store time, end of the log] of every batch
  for (let i = 0; i < total; i += 1000) {
    const results = await store.appendBatch(Array.from({ length: 1000 }, (_, j) => message(i + j)))
    written.push([results.at(-1).storeTimestamp, store.maxLogOffset])
  }
  process.send(written)
  setInterval(() => {}, 1000) // until it is killed
} else {
  const writer = fork(fileURLToPath(import.meta.url), process.argv.slice(2))
  const [written] = await once(writer, 'message', { signal: AbortSignal.timeout(300_000) })
  writer.kill('SIGKILL')
  await once(writer, 'exit')
  const file = readFileSync(join(options.dir, 'checkpoint'))
  const checkpointTime = Math.min(...[0, 8].map((at) => Number(file.readBigInt64BE(at)))) // of the log, of the queues
  const checkpoint = written.findLast(([time]) => time <= checkpointTime)?.[1] ?? 0
  const end = written.at(-1)[1]
  if (options.cold) execFileSync(options.limit, ['drop', `dir=${options.dir}`])

  const started = performance.now()
  const store = await openStore()
  const seconds = (performance.now() - started) / 1000
  const { scannedBytes, records, milliseconds, cleanBefore } = store.recovery
  if (cleanBefore || store.maxLogOffset !== end) throw new Error(`opened at ${store.maxLogOffset}, not ${end}`)
  await store.close()
  print({
    bytesPerSecond: scannedBytes / seconds,
    scannedShare: scannedBytes / (SEGMENT + end - checkpoint),
    scannedBytes,
    sinceCheckpointBytes: end - checkpoint,
    records,
    seconds,
    recoverySeconds: milliseconds / 1000,
  })
}

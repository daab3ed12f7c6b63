// A process writes `bytes` of records, a checkpoint three quarters in, and is killed with SIGKILL; then the store is opened.
// Rate: bytes scanned a second of the whole opening, which includes making all of it durable. `scannedShare` is of what it may scan: a segment, and
// what was written since the checkpoint. Files are warm, or dropped from the page cache (cold=1).
import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { message, options, print, recordBytes } from '../workload.mjs'
import { openStore } from './open.mjs'

const SEGMENT = 2 ** 30
const { bytes = 4 * SEGMENT } = options

if (process.send) {
  const store = await openStore()
  const total = Math.floor(bytes / recordBytes())
  const write = async (from, to) => {
    for (let i = from; i < to; i += 1000) await store.appendBatch(Array.from({ length: 1000 }, (_, j) => message(i + j)))
  }
  const threeQuarters = Math.floor(total * 0.75)
  await write(0, threeQuarters)
  await store.flush()
  const checkpoint = store.maxLogOffset
  await write(threeQuarters, total)
  process.send({ checkpoint, end: store.maxLogOffset })
  setInterval(() => {}, 1000) // until it is killed
} else {
  const writer = fork(fileURLToPath(import.meta.url), process.argv.slice(2))
  const [{ checkpoint, end }] = await once(writer, 'message', { signal: AbortSignal.timeout(300_000) })
  writer.kill('SIGKILL')
  await once(writer, 'exit')
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
    records,
    seconds,
    recoverySeconds: milliseconds / 1000,
  })
}

// A store of `bytes` of records with keys is closed, and loses its queues, its index and whatever says what they held; the opening makes them again from the
// log, which is in memory, and makes all of it durable. Rate: bytes of the log a second of the whole opening.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { options, print, QUEUES, recordBytes } from '../workload.mjs'
import { haveWritten, openStore } from './open.mjs'

const MADE_FROM_THE_LOG = ['consumequeue', 'index', 'checkpoint', 'millrace/position', 'millrace/queues']
const count = Math.floor(options.bytes / recordBytes())

haveWritten(count)
for (const name of MADE_FROM_THE_LOG) rmSync(join(options.dir, name), { recursive: true })

const started = performance.now()
const store = await openStore()
const seconds = (performance.now() - started) / 1000
const { records, rebuiltIndexEntries, milliseconds } = store.recovery
const units = store.queues().reduce((sum, { maxOffset }) => sum + maxOffset, 0)
const entries = options.keys ? count : 0
if (records !== count || units !== count || store.queues().length !== QUEUES || rebuiltIndexEntries !== entries)
  throw new Error(`${records} records, ${units} units and ${rebuiltIndexEntries} entries of ${count} messages`)
print({ bytesPerSecond: store.maxLogOffset / seconds, rate: count / seconds, seconds, recoverySeconds: milliseconds / 1000 })
await store.close()

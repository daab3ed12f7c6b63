// Has `count` messages with a key each written, opens the store, and looks for `queries` keys with nothing of the index and of the segments before
// the last in memory. (The last one an opening reads, and what is mapped can't be dropped; no key of it is asked for.) Milliseconds of one query.
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { options, print, TOPIC } from '../workload.mjs'
import { haveWritten, openStore } from './open.mjs'

const { queries = 200 } = options
const drop = (...path) => execFileSync(options.limit, ['drop', `dir=${join(options.dir, ...path)}`])

haveWritten(options.count)
drop()

const store = await openStore()
const indexFiles = readdirSync(join(options.dir, 'index')).length
if (indexFiles !== 1) throw new Error(`${indexFiles} index files`)
const segments = readdirSync(join(options.dir, 'commitlog')).sort()
const asked = Math.floor((options.count * Number(segments.at(-1))) / store.maxLogOffset)
if (asked < queries) throw new Error(`only ${asked} messages lie before the last segment`)
drop('index')
for (const name of segments.slice(0, -1)) drop('commitlog', name)

// What a fault reads around a record (8 MiB on some disks) would have the record of the next key in memory. So the keys lie as far apart as they can.
const times = []
for (let i = 0; i < queries; i++) {
  const key = `key${Math.floor(((i + 0.25 + Math.random() / 2) * asked) / queries)}`
  const started = performance.now()
  const found = await store.messagesByKey({ topic: TOPIC, key })
  times.push(performance.now() - started)
  if (found.length !== 1 || found[0].keys[0] !== key) throw new Error(`${found.length} messages have ${key}`)
}
times.sort((a, b) => a - b)
const share = (part) => times[Math.floor((queries - 1) * part)]
print({ p50: share(0.5), p99: share(0.99), max: times.at(-1) })
await store.close()

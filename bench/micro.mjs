// npm run bench:micro [-- NAME…]: single operations, by the benchmark package, in one process. For finding out where time goes; no targets.
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import Benchmark from 'benchmark'
import { root } from './build.mjs'
import { machineLine } from './machine.mjs'
import { message, options, randomBodies } from './workload.mjs'

const names = process.argv.slice(2)
const library = process.env.MILLRACE_LIBRARY ?? join(root, 'dist', 'index.js')
const inLibrary = (path) => import(join(library, '..', path))
const { MessageStore } = await import(library)
const { binding } = await inLibrary('native/binding.js')
const format = await inLibrary('format/index.js')

const dir = mkdtempSync(join(root, 'build', 'micro-'))
const store = await MessageStore.open(dir)
const bodies = { 1024: randomBodies(1024), 128: randomBodies(128) }
options.keys = 1

const page = await (async () => {
  const messages = Array.from({ length: 32 }, (_, i) => ({ ...message(i), queueId: 0 }))
  await store.appendBatch(messages)
  return store.pullRaw({ topic: 'bench', queueId: 0, offset: 0, maxMessages: 32 })
})()
const record = page.bytes.subarray(0, page.bytes.readInt32BE(0))
const units = Buffer.alloc(20)
units.writeInt32BE(record.length, 8)

let i = 0
let kept
const cases = {
  'crossing: a letter in, a number out': () => {
    kept = binding.tagHash('a')
  },
  'CRC native, 1 KiB': () => {
    kept = binding.crc32(bodies[1024][i++ & 255])
  },
  'CRC native, 128 B': () => {
    kept = binding.crc32(bodies[128][i++ & 255])
  },
  'CRC by table, 1 KiB': () => {
    kept = binding.crc32(bodies[1024][i++ & 255], true)
  },
  ...(crc32 && {
    'CRC of Node (zlib), 1 KiB': () => {
      kept = crc32(bodies[1024][i++ & 255])
    },
  }),
  'tag hash, native': () => {
    kept = binding.tagHash('tagA')
  },
  'tag hash, TypeScript': () => {
    kept = format.tagHash('tagA')
  },
  'encode and write: appendSync, 1 KiB, keys': () => {
    kept = store.appendSync(message(i++))
  },
  'encode and write: appendSync, 128 B, keys': () => {
    kept = store.appendSync({ ...message(i), body: bodies[128][i++ & 255] })
  },
  'encode and write: appendBatchSync of 32, 1 KiB, keys': () => {
    kept = store.appendBatchSync(Array.from({ length: 32 }, () => message(i++)))
  },
  'decode: check a record with its CRC': () => {
    kept = format.checkRecord(record)
  },
  'decode: all fields of a record': () => {
    kept = format.readRecord(record)
  },
  'queue unit: read': () => {
    kept = format.readQueueUnit(units)
  },
}

console.log(`${machineLine(dir)}\n`)
const suite = new Benchmark.Suite()
for (const [name, run] of Object.entries(cases)) if (names.length === 0 || names.some((part) => name.includes(part))) suite.add(name, run)
suite.on('cycle', ({ target }) => {
  const { name, stats, error } = target
  console.log(
    error
      ? `${name}: ${error.message}`
      : `${(stats.mean * 1e9).toFixed(0).padStart(8)} ns ± ${stats.rme.toFixed(1).padStart(4)} %  ${name}`,
  )
})
await new Promise((resolve) => suite.on('complete', resolve).run({ async: true }))
await store.close()
rmSync(dir, { recursive: true, force: true })
if (kept === undefined) process.exitCode = 1

// npm run bench:micro [-- NAME… --json]: single operations, by the benchmark package, in one process. For finding out where time goes; no targets.
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { crc32 } from 'node:zlib'
import Benchmark from 'benchmark'
import { root } from './build.mjs'
import { machine, runLine } from './machine.mjs'
import { table } from './table.mjs'
import { message, options, randomBodies } from './workload.mjs'

const TITLE = 'single operations'
const { values, positionals: names } = parseArgs({ allowPositionals: true, options: { json: { type: 'boolean', default: false } } })
const library = process.env.MILLRACE_LIBRARY ?? join(root, 'dist', 'index.js')
const inLibrary = (path) => import(join(library, '..', path))
const { MessageStore } = await import(library)
const { binding } = await inLibrary('native/binding.js')
const format = await inLibrary('format/index.js')
const { AppendBlock } = await inLibrary('store/append-block.js')
const { QueueNumbers } = await inLibrary('store/queue-numbers.js')

const dir = mkdtempSync(join(root, 'build', 'micro-'))
const store = await MessageStore.open(dir)
const native = binding.attach(store.handle.millraceStore, () => {}) // for what the public classes don't do alone
const block = new AppendBlock(native, new QueueNumbers(native))
const numbers = new Float64Array(12)
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

const queue = store.consumeQueue('bench', 0)

let i = 0
let kept
const cases = {
  'crossing: a store in, twelve numbers out': () => {
    binding.numbers(native, numbers)
    kept = numbers[0]
  },
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
  'encode: fields into the block, 1 KiB, keys': () => {
    kept = block.put(message(i++))
    block.clear()
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
  'queue unit: decode': () => {
    kept = format.readQueueUnit(units)
  },
  'queue unit: read through the core': () => {
    kept = queue.unit(i++ & 31)
  },
}

const head = { machine: machine(dir) }
console.log(values.json ? JSON.stringify(head) : `${runLine(head)}\n`)
const rows = []
const suite = new Benchmark.Suite()
for (const [name, run] of Object.entries(cases)) if (names.length === 0 || names.some((part) => name.includes(part))) suite.add(name, run)
suite.on('cycle', ({ target: { name, stats, error } }) => {
  if (error) throw new Error(`${name}: ${error.message}`)
  const row = {
    name: `${TITLE}: ${name}`,
    unit: 'ns',
    ours: stats.mean * 1e9,
    marginPercent: stats.rme,
    cpuMicroseconds: null,
    comparisons: [],
  }
  rows.push(row)
  if (values.json) console.log(JSON.stringify(row))
})
await new Promise((resolve) => suite.on('complete', resolve).run({ async: true }))
if (!values.json) console.log(table(TITLE, rows))
await binding.close(native)
await store.close()
rmSync(dir, { recursive: true, force: true })
if (kept === undefined) process.exitCode = 1

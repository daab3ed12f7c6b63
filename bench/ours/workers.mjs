// One store, several threads: `writers` that append batches and `readers` that pull raw records, each a worker with its own attachment.
// They count in shared memory; two looks at the counters, `seconds` apart, give the rates of the sum.
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { appendAll, message, options, print, QUEUES, TOPIC } from '../workload.mjs'
import { MessageStore, openStore } from './open.mjs'

const STOP = 0
const FIRST_COUNTER = 1

async function write(store, counters, slot) {
  for (let i = slot * 100_000_000; Atomics.load(counters, STOP) === 0; i += options.batch) {
    await store.appendBatch(Array.from({ length: options.batch }, (_, j) => message(i + j)))
    Atomics.add(counters, slot, options.batch)
  }
}

async function read(store, counters, slot) {
  const into = Buffer.allocUnsafeSlow(256 << 10)
  let offset = 0
  let queueId = slot % QUEUES
  while (Atomics.load(counters, STOP) === 0) {
    const page = await store.pullRaw({ topic: TOPIC, queueId, offset, maxMessages: 32, into })
    Atomics.add(counters, slot, page.count)
    offset = page.nextOffset
    if (page.count === 0) {
      offset = 0
      queueId = (queueId + 1) % QUEUES
    }
  }
}

async function main() {
  const { writers = 1, readers = 0, seconds = 1 } = options
  const counters = new Int32Array(new SharedArrayBuffer(4 * (FIRST_COUNTER + writers + readers)))
  const store = await openStore()
  await appendAll(store, 0, options.count)

  const arg = process.argv.slice(2)
  const workers = Array.from({ length: writers + readers }, (_, i) => {
    const work = i < writers ? 'write' : 'read'
    return new Worker(fileURLToPath(import.meta.url), {
      argv: arg,
      workerData: { handle: store.handle, counters, slot: FIRST_COUNTER + i, work },
    })
  })
  const ended = workers.map((worker) => new Promise((resolve, reject) => worker.once('error', reject).once('exit', resolve)))
  while (counters.subarray(FIRST_COUNTER).some((count) => count === 0)) await sleep(5)
  await sleep(300)

  const before = counters.slice()
  const started = performance.now()
  await sleep(seconds * 1000)
  const after = counters.slice()
  const took = (performance.now() - started) / 1000
  Atomics.store(counters, STOP, 1)
  await Promise.all(ended)
  await store.close()

  const rates = Array.from(after, (count, i) => (count - before[i]) / took).slice(FIRST_COUNTER)
  const sum = (list) => list.reduce((total, rate) => total + rate, 0)
  print({ appends: sum(rates.slice(0, writers)), reads: sum(rates.slice(writers)), sum: sum(rates) })
}

if (isMainThread) {
  await main()
} else {
  const { handle, counters, slot, work } = workerData
  const store = MessageStore.attach(handle)
  await (work === 'write' ? write : read)(store, counters, slot)
  await store.close()
}

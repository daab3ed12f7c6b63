/** Runs a benchmark: the store, its threads, what is seen of them meanwhile, and what is left behind: nothing, or the store that was named. */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RecordableHistogram } from 'node:perf_hooks'
import { Worker } from 'node:worker_threads'
import { MessageStore } from '../index.js'
import { merged, showLive, summed } from './bench-live.js'
import { type BenchKind, type BenchOptions, type BenchPlan, planOf, TOPIC } from './bench-plan.js'
import { type BenchResult, resultLines, resultOf } from './bench-report.js'
import { messageMaker } from './bench-steps.js'
import type { WorkerData, WorkerTimes } from './bench-worker.js'
import { printLines } from './output.js'
import { settingsOf } from './store-options.js'

const INTERRUPTED = 130
/** What is pulled: enough to be no queue's end all the time, little enough to be written at once. */
const MOST_FILLED = 200_000
const MOST_FILLED_BYTES = 256 << 20
const FILL_BATCH = 500

export async function runBench(kind: BenchKind, options: BenchOptions): Promise<void> {
  const plan = planOf(kind, options)
  const stop = new Int32Array(new SharedArrayBuffer(4))
  const interrupt = (): void => {
    process.exitCode = INTERRUPTED
    Atomics.store(stop, 0, 1)
  }
  const settings = await settingsOf(options.settings)
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  const directory = options.dir ?? (await mkdtemp(join(tmpdir(), 'millrace-bench-')))
  try {
    const store = await MessageStore.open(directory, { settings, flush: kind === 'sync' ? 'sync' : 'async' })
    let result: BenchResult
    try {
      if (kind === 'pull') await fill(store, plan, stop)
      result = await measure(store, plan, stop)
    } finally {
      await store.close()
    }
    await printLines(options.json ? [JSON.stringify({ ...result, directory: options.dir ?? null })] : resultLines(result))
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
    if (options.dir === undefined) await rm(directory, { recursive: true, force: true })
  }
}

/** Every queue has something to pull; what is there of an earlier run does. */
async function fill(store: MessageStore, plan: BenchPlan, stop: Int32Array): Promise<void> {
  const wanted = Math.max(plan.queues, Math.min(plan.count ?? MOST_FILLED, MOST_FILLED, MOST_FILLED_BYTES / Math.max(1, plan.size)))
  const has = (queueId: number): boolean => {
    const { minOffset, maxOffset } = store.bounds(TOPIC, queueId)
    return maxOffset - minOffset >= Math.floor(wanted / plan.queues)
  }
  const make = messageMaker(plan, 0)
  while (Atomics.load(stop, 0) === 0 && !Array.from({ length: plan.queues }, (_, queueId) => has(queueId)).every(Boolean))
    await store.appendBatch(Array.from({ length: Math.min(FILL_BATCH, wanted) }, make))
}

async function measure(store: MessageStore, plan: BenchPlan, stop: Int32Array): Promise<BenchResult> {
  const tallies = Array.from({ length: plan.threads }, () => new Float64Array(new SharedArrayBuffer(24)))
  const workers = tallies.map((tally, thread) => {
    const workerData: WorkerData = { handle: store.handle, plan, thread, stop, tally }
    return new Worker(new URL('./bench-worker.js', import.meta.url), { workerData })
  })
  const ended = Promise.allSettled(workers.map((worker) => once(worker, 'exit')))
  try {
    const histograms = await Promise.all(workers.map((worker) => said<RecordableHistogram>(worker)))
    const times = Promise.all(workers.map((worker) => said<WorkerTimes>(worker)))
    for (const worker of workers) worker.postMessage('go')
    const live = showLive(tallies, histograms)
    const spans = await times.finally(live)
    const from = Math.min(...spans.map((span) => span.from))
    const to = Math.max(...spans.map((span) => span.to))
    return resultOf({
      plan,
      ...summed(tallies),
      seconds: (to - from) / 1000,
      latency: merged(histograms),
      interrupted: Atomics.load(stop, 0) !== 0,
    })
  } finally {
    // Where one has failed: the others end, those too that wait for the word.
    Atomics.store(stop, 0, 1)
    for (const worker of workers) worker.postMessage('go')
    await ended
  }
}

/** The next message of a worker; rejects with what it failed with. */
async function said<T>(worker: Worker): Promise<T> {
  const [message] = await once(worker, 'message')
  return message as T
}

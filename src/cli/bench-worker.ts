/** A thread of a benchmark: takes hold of the store, says that it is ready, and works from the word on. */
import { once } from 'node:events'
import { createHistogram } from 'node:perf_hooks'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { MessageStore, type StoreHandle } from '../index.js'
import { runLoad } from './bench-load.js'
import type { BenchPlan } from './bench-plan.js'
import { stepOf } from './bench-steps.js'

export interface WorkerData {
  handle: StoreHandle
  plan: BenchPlan
  thread: number
  /** Not 0: stop. */
  stop: Int32Array
  /** Messages, bytes and calls of this thread: nobody else writes them, and who looks meanwhile need not have the three of one moment. */
  tally: Float64Array
}

/** When it began and ended, in Unix milliseconds. */
export interface WorkerTimes {
  from: number
  to: number
}

async function work({ handle, plan, thread, stop, tally }: WorkerData, port: MessagePort): Promise<void> {
  const store = MessageStore.attach(handle)
  const histogram = createHistogram()
  try {
    const step = stepOf(store, plan, thread)
    port.postMessage(histogram) // the same one in both threads
    await once(port, 'message')
    const from = performance.timeOrigin + performance.now()
    await runLoad({
      step,
      lanes: plan.inFlight,
      batch: plan.batch,
      ...(plan.count !== undefined && { count: shareOf(plan.count, plan.threads, thread) }),
      ...(plan.seconds !== undefined && { milliseconds: 1000 * plan.seconds }),
      ...(plan.rate !== undefined && { intervalMs: (1000 * plan.batch * plan.threads) / plan.rate }),
      isStopped: () => Atomics.load(stop, 0) !== 0,
      onStep(messages, bytes, nanoseconds) {
        histogram.record(nanoseconds)
        tally[0] = (tally[0] as number) + messages
        tally[1] = (tally[1] as number) + bytes
        tally[2] = (tally[2] as number) + 1
      },
    })
    port.postMessage({ from, to: performance.timeOrigin + performance.now() } satisfies WorkerTimes)
  } finally {
    await store.close()
  }
}

function shareOf(count: number, threads: number, thread: number): number {
  return Math.floor(count / threads) + (thread < count % threads ? 1 : 0)
}

// A rejection is an error of the worker.
if (parentPort !== null) void work(workerData as WorkerData, parentPort)

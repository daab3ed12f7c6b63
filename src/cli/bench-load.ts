/**
 * The load of one thread: so many calls at a time, each begun when the one before it has ended, or, at a rate, when it is due. At a rate the time that a
 * call waits for its turn is its latency too: a store that stands still for a second must not look as if one call had been slow.
 */
import { setTimeout as sleep } from 'node:timers/promises'

/** Calls the store for at most so many messages and gives how many it were, and their bytes. */
export type Step = (lane: number, messages: number) => Promise<{ messages: number; bytes: number }>

export interface Load {
  step: Step
  lanes: number
  /** Messages of a call. */
  batch: number
  /** Messages in all, or milliseconds. */
  count?: number
  milliseconds?: number
  /** Between the beginnings of two calls; without it there is no plan. */
  intervalMs?: number
  isStopped: () => boolean
  /** After each call; the latency in nanoseconds. */
  onStep: (messages: number, bytes: number, nanoseconds: number) => void
}

const LOOK_MS = 100
/** Timers are late by up to this. */
const TIMER_MS = 2

export async function runLoad(load: Load): Promise<void> {
  const started = performance.now()
  const end = started + (load.milliseconds ?? Number.POSITIVE_INFINITY)
  let left = load.count ?? Number.POSITIVE_INFINITY
  let begun = 0
  const isOver = (): boolean => left <= 0 || load.isStopped() || performance.now() >= end

  async function lane(number: number): Promise<void> {
    while (!isOver()) {
      const messages = Math.min(load.batch, left)
      left -= messages
      let from = performance.now()
      if (load.intervalMs !== undefined) {
        from = started + begun++ * load.intervalMs
        if (from >= end || !(await isDue(from, load.isStopped))) return
      }
      const done = await load.step(number, messages)
      left += messages - done.messages
      load.onStep(done.messages, done.bytes, Math.max(1, Math.round((performance.now() - from) * 1e6)))
    }
  }
  await Promise.all(Array.from({ length: load.lanes }, (_, number) => lane(number)))
}

/** Waits for a moment; false when it was stopped before. */
async function isDue(time: number, isStopped: () => boolean): Promise<boolean> {
  for (let wait = time - performance.now(); wait > 0; wait = time - performance.now()) {
    if (isStopped()) return false
    if (wait > TIMER_MS) await sleep(Math.min(LOOK_MS, wait - TIMER_MS))
    else await new Promise((go) => setImmediate(go))
  }
  return true
}

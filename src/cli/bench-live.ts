/** What the threads of a benchmark have done so far, and a line of it each second. */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import { liveLine } from './bench-report.js'

const LIVE_MS = 1000

export function summed(tallies: readonly Float64Array[]): { messages: number; bytes: number; calls: number } {
  const sum = (field: number) => tallies.reduce((total, tally) => total + (tally[field] as number), 0)
  return { messages: sum(0), bytes: sum(1), calls: sum(2) }
}

export function merged(histograms: readonly RecordableHistogram[]): RecordableHistogram {
  const all = createHistogram()
  for (const histogram of histograms) all.add(histogram)
  return all
}

/** A line a second on standard error, where that is a terminal. Gives what ends it. */
export function showLive(tallies: readonly Float64Array[], histograms: readonly RecordableHistogram[]): () => void {
  const { stderr } = process
  if (!stderr.isTTY) return () => {}
  let before = summed(tallies)
  let then = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    const sums = summed(tallies)
    const seconds = (now - then) / 1000
    const latency = merged(histograms)
    stderr.write(`\r\u001b[K${liveLine((sums.messages - before.messages) / seconds, (sums.bytes - before.bytes) / seconds, latency)}`)
    before = sums
    then = now
  }, LIVE_MS)
  return () => {
    clearInterval(timer)
    stderr.write('\r\u001b[K')
  }
}

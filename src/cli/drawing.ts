/** Segments and queues in plain characters, as wide as the terminal. */
import type { MessageStore, QueueInfo } from '../index.js'
import { span } from './units.js'

const MAX_SEGMENTS = 16
const MAX_QUEUES = 40
const SHADES = ' .:=#'
const PRE_BLANK_BYTES = 0x7fffffff

export interface Segment {
  logOffset: number
  bytes: number
  /** Up to the end of the log. */
  filled: number
  modified: number
}

export function terminalWidth(): number {
  return Math.max(40, process.stdout.columns ?? 80)
}

/** A line each, the newest: how far it is filled, and how long ago it was written to. */
export function* drawSegments(segments: readonly Segment[], now: number, width: number): IterableIterator<string> {
  const shown = segments.slice(-MAX_SEGMENTS)
  const ages = shown.map(({ modified }) => span(now - modified))
  const names = shown.map(({ logOffset }) => String(logOffset))
  const nameWidth = Math.max('segment'.length, ...names.map((name) => name.length))
  const cells = width - nameWidth - Math.max(12, ...ages.map((age) => age.length)) - 6
  yield `${'segment'.padStart(nameWidth)}  ${'filled'.padEnd(cells + 2)}  written`
  if (shown.length < segments.length) yield `${'…'.padStart(nameWidth)}  ${segments.length - shown.length} before these`
  for (const [i, { filled, bytes }] of shown.entries()) {
    const full = Math.min(cells, Math.ceil((cells * filled) / bytes))
    yield `${(names[i] as string).padStart(nameWidth)}  [${'#'.repeat(full).padEnd(cells, '.')}]  ${ages[i]} ago`
  }
}

/** A line each: where in the log its messages lie, from its first byte to its last, the darker the more. */
export function* drawQueues(store: MessageStore, queues: readonly QueueInfo[], width: number): IterableIterator<string> {
  const shown = queues.slice(0, MAX_QUEUES)
  const names = shown.map(({ topic, queueId }) => `${topic} ${queueId}`)
  const nameWidth = Math.min(width - 20, Math.max('queue'.length, ...names.map((name) => name.length)))
  const cells = width - nameWidth - 4
  const counts = shown.map((queue) => spread(store, queue, cells))
  const most = Math.max(1, ...counts.flat())
  const from = String(store.minLogOffset)
  yield `${'queue'.padEnd(nameWidth)}   ${from}${String(store.maxLogOffset).padStart(Math.max(1, cells - from.length))}`
  for (const [i, name] of names.entries()) {
    const shades = (counts[i] as number[]).map((count) => SHADES[Math.ceil(((SHADES.length - 1) * count) / most)])
    yield `${name.slice(0, nameWidth).padEnd(nameWidth)}  |${shades.join('')}|`
  }
  if (shown.length < queues.length) yield `… and ${queues.length - shown.length} more`
}

/** Messages of a queue by their place in the log, in so many equal pieces of it. Found by halving: few units are read. */
function spread(store: MessageStore, { topic, queueId, minOffset, maxOffset }: QueueInfo, cells: number): number[] {
  const queue = store.consumeQueue(topic, queueId)
  const logFrom = store.minLogOffset
  const logBytes = store.maxLogOffset - logFrom
  const counts = new Array<number>(cells).fill(0)
  const isBelow = (offset: number, logOffset: number): boolean => {
    const unit = queue.unit(offset)
    return unit !== undefined && (unit.logOffset < logOffset || unit.size === PRE_BLANK_BYTES)
  }
  const firstFrom = (logOffset: number, low: number, high: number): number => {
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      if (isBelow(middle, logOffset)) low = middle + 1
      else high = middle
    }
    return low
  }
  const fill = (from: number, to: number, low: number, high: number): void => {
    if (low === high) return
    if (to - from === 1) {
      counts[from] = high - low
      return
    }
    const middle = Math.floor((from + to) / 2)
    const at = firstFrom(logFrom + (logBytes * middle) / cells, low, high)
    fill(from, middle, low, at)
    fill(middle, to, at, high)
  }
  fill(0, cells, minOffset, maxOffset)
  return counts
}

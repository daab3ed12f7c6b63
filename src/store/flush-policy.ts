/** When an append settles: the two policies of RocketMQ, as values that steer the core's flusher. What they leave open the store's settings decide. */
import { storeError } from '../errors.js'

export interface SyncFlushOptions {
  /** After this an append settles with FLUSH_DISK_TIMEOUT; the record stays in the log. Default the setting syncFlushTimeout, 5000. */
  timeoutMs?: number
}

/** An append settles after an fdatasync covers its record; appends that wait share one. Survives a power cut. */
export class SyncFlush {
  readonly kind = 'sync'
  readonly timeoutMs: number | undefined

  constructor({ timeoutMs }: SyncFlushOptions = {}) {
    this.timeoutMs = whole('timeoutMs', timeoutMs, 1)
  }
}

export interface AsyncFlushOptions {
  /** Period of flushing. Default the setting flushIntervalCommitLog, 500. */
  intervalMs?: number
  /** A period with less than so many new 4 KiB pages is passed over. Default the setting flushCommitLogLeastPages, 4. */
  leastPages?: number
  /** After this everything is flushed whatever the pages. Default the setting flushCommitLogThoroughInterval, 10000. */
  thoroughIntervalMs?: number
}

/** An append settles when its record is in the page cache: it survives the death of the process; a power cut may take the last interval. */
export class AsyncFlush {
  readonly kind = 'async'
  readonly intervalMs: number | undefined
  readonly leastPages: number | undefined
  readonly thoroughIntervalMs: number | undefined

  constructor({ intervalMs, leastPages, thoroughIntervalMs }: AsyncFlushOptions = {}) {
    this.intervalMs = whole('intervalMs', intervalMs, 1)
    this.leastPages = whole('leastPages', leastPages, 0)
    this.thoroughIntervalMs = whole('thoroughIntervalMs', thoroughIntervalMs, 1)
  }
}

export type FlushPolicy = SyncFlush | AsyncFlush

export function flushPolicy(flush: 'async' | 'sync' | FlushPolicy | undefined): FlushPolicy | undefined {
  if (flush === undefined || flush instanceof SyncFlush || flush instanceof AsyncFlush) return flush
  if (flush === 'sync') return new SyncFlush()
  if (flush === 'async') return new AsyncFlush()
  return undefined
}

const MAX_INT32 = 0x7fffffff

function whole(what: string, value: number | undefined, least: number): number | undefined {
  if (value !== undefined && (!Number.isInteger(value) || value < least || value > MAX_INT32))
    throw storeError('INVALID_ARGUMENT', { what, value, allowed: `a whole number from ${least} to ${MAX_INT32}` })
  return value
}

/** When an append settles: the two policies of RocketMQ, as values that steer the core's flusher. */

export interface SyncFlushOptions {
  /** After this an append settles with FLUSH_DISK_TIMEOUT; the record stays in the log. Default 5000 (syncFlushTimeout). */
  timeoutMs?: number
}

/** An append settles after an fdatasync covers its record; appends that wait share one. Survives a power cut. */
export class SyncFlush {
  readonly kind = 'sync'
  readonly timeoutMs: number

  constructor({ timeoutMs = 5000 }: SyncFlushOptions = {}) {
    this.timeoutMs = timeoutMs
  }
}

export interface AsyncFlushOptions {
  /** Period of flushing. Default 500 (flushIntervalCommitLog). */
  intervalMs?: number
  /** A period with less than so many new 4 KiB pages is passed over. Default 4 (flushCommitLogLeastPages). */
  leastPages?: number
  /** After this everything is flushed whatever the pages. Default 10000 (flushCommitLogThoroughInterval). */
  thoroughIntervalMs?: number
}

/** An append settles when its record is in the page cache: it survives the death of the process; a power cut may take the last interval. */
export class AsyncFlush {
  readonly kind = 'async'
  readonly intervalMs: number | undefined
  readonly leastPages: number | undefined
  readonly thoroughIntervalMs: number | undefined

  constructor({ intervalMs, leastPages, thoroughIntervalMs }: AsyncFlushOptions = {}) {
    this.intervalMs = intervalMs
    this.leastPages = leastPages
    this.thoroughIntervalMs = thoroughIntervalMs
  }
}

export type FlushPolicy = SyncFlush | AsyncFlush

export function flushPolicy(flush: 'async' | 'sync' | FlushPolicy | undefined): FlushPolicy | undefined {
  if (flush === undefined || flush instanceof SyncFlush || flush instanceof AsyncFlush) return flush
  if (flush === 'sync') return new SyncFlush()
  if (flush === 'async') return new AsyncFlush()
  return undefined
}

/** What an open store has counted, as one object. */
import type { NativeStore } from '../native/binding.js'
import { binding } from '../native/binding.js'
import type { LogStatistics } from './commit-log.js'
import { LatencyHistogram } from './latency-histogram.js'

const STALL_MILLISECONDS = 20

export interface StoreStatistics {
  /** Since the store was opened: the time that all counts are of. */
  readonly milliseconds: number
  readonly appended: {
    readonly messages: number
    /** Of the log: records, and what is left empty at the end of a segment. */
    readonly bytes: number
    /** Messages that the store did not take: illegal, too large, the log busy, the disk full, an earlier failure. */
    readonly refused: number
    /** Of each commit (one `appendSync`, a batch, all `append` calls of one turn) in the core, waiting for others included and for the disk not. */
    readonly latency: LatencyHistogram
  }
  readonly pulled: {
    readonly pulls: number
    readonly messages: number
    readonly bytes: number
    /** Pulls that had to wait for the disk. */
    readonly fromDisk: number
  }
  /** The `fdatasync` calls of the log. */
  readonly syncs: {
    readonly latency: LatencyHistogram
    /** One has failed: the store refuses appends until it is opened again. */
    readonly failed: boolean
  }
  /** Commits and syncs of 20 ms and more. */
  readonly stalls: { readonly appends: number; readonly syncs: number }
  /** Queue units met that do not point to a message of their queue. */
  readonly damagedUnits: number
  readonly log: LogStatistics & {
    readonly minOffset: number
    readonly maxOffset: number
    readonly flushedOffset: number
    readonly segments: number
  }
  readonly queues: {
    readonly count: number
    /** Of units that wait in memory for their file. */
    readonly tailBytes: number
  }
  readonly index: { readonly files: number }
  /** Appends are refused with DISK_FULL until there is room again. */
  readonly diskFull: boolean
}

/** @internal */
export function readStatistics(native: NativeStore): StoreStatistics {
  const { numbers, appendLatency, syncLatency } = binding.statistics(native)
  let at = 0
  const next = (): number => numbers[at++] as number
  const milliseconds = next() / 1e6
  const [messages, bytes, refused] = [next(), next(), next()]
  const appends = new LatencyHistogram(appendLatency, next(), next())
  const pulled = { pulls: next(), messages: next(), bytes: next(), fromDisk: next() }
  const damagedUnits = next()
  const [syncs, syncNanoseconds, longestSync] = [next(), next(), next()]
  const syncTimes = new LatencyHistogram(syncLatency, syncNanoseconds, longestSync)
  return {
    milliseconds,
    appended: { messages, bytes, refused, latency: appends },
    pulled,
    syncs: { latency: syncTimes, failed: next() === 1 },
    stalls: { appends: appends.countFrom(STALL_MILLISECONDS), syncs: syncTimes.countFrom(STALL_MILLISECONDS) },
    damagedUnits,
    log: {
      ...{ syncs, syncMilliseconds: syncNanoseconds / 1e6 },
      ...{ populatedBytes: next(), copied: next(), written: next(), refaultedPages: next() },
      ...{ minOffset: next(), maxOffset: next(), flushedOffset: next(), segments: next() },
    },
    queues: { count: next(), tailBytes: next() },
    index: { files: next() },
    diskFull: next() === 1,
  }
}

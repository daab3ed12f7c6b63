/** The values that go into a store and come out of it. Offsets are numbers: a log of 2^53 bytes is 8 PiB. Times are Unix milliseconds. */
import type { IndexQuery } from './index-file.js'
import type { Message } from './message.js'
import type { TagFilter } from './tag-filter.js'

/** A message to append. Everything but `topic` has a default that an embedding program can live with. */
export interface MessageInput {
  /** `%|-_0-9a-zA-Z`, at most 127 bytes. */
  topic: string
  /** Default 0. */
  queueId?: number
  /** Stored as given; a string is encoded as UTF-8. It belongs to the store until the append has settled. */
  body?: Uint8Array | string
  /** The tag a pull can filter by (property `TAGS`). */
  tags?: string
  /** Business keys, each one indexed (property `KEYS`); a key holds no space. */
  keys?: string | readonly string[]
  /** Further properties, `UNIQ_KEY` and `DELAY` among them. */
  properties?: Readonly<Record<string, string>>
  /** The application's own 32 bits. */
  flag?: number
  /** RocketMQ's bits: compression, transaction type. The IPv6 bits are set by the store. */
  sysFlag?: number
  bornTimestamp?: number
  /** `ip:port` or `[ip6]:port`; default the store's host. */
  bornHost?: string
  /** Default the store's `storeHost` option. */
  storeHost?: string
  reconsumeTimes?: number
  /** Log offset of the half message that a commit record ends. */
  preparedTransactionOffset?: number
}

export type AppendStatus = 'PUT_OK' | 'FLUSH_DISK_TIMEOUT' | 'FLUSH_SLAVE_TIMEOUT' | 'SLAVE_NOT_AVAILABLE'

export interface AppendOptions {
  /** false: settle before the flush policy's promise holds (RocketMQ's WAIT=false). Default true. */
  wait?: boolean
}

export interface AppendBatchOptions extends AppendOptions {
  /** Java's batch: one topic and queue, one store time, never split over two segments. */
  atomic?: boolean
}

/** Where a message went. */
export interface AppendResult {
  readonly status: AppendStatus
  /** Byte in the whole log where the record starts. */
  readonly logOffset: number
  /** Number of the message in its queue; 0 for prepared and rollback records, which enter no queue. */
  readonly queueOffset: number
  /** Bytes of the record. */
  readonly size: number
  readonly storeTimestamp: number
  /** RocketMQ's offset message id: store host and log offset in upper-case hex. */
  readonly messageId: string
}

export type PullStatus =
  | 'FOUND'
  | 'NO_MATCHED_MESSAGE'
  | 'MESSAGE_WAS_REMOVING'
  | 'OFFSET_FOUND_NULL'
  | 'OFFSET_OVERFLOW_BADLY'
  | 'OFFSET_OVERFLOW_ONE'
  | 'OFFSET_TOO_SMALL'
  | 'NO_MATCHED_LOGIC_QUEUE'
  | 'NO_MESSAGE_IN_QUEUE'

/** Decides what a pull returns, first by the queue unit, then by the record. `TagFilter` is one; an SQL92 filter will be another. */
export interface MessageFilter {
  /** By the unit's tag hash alone; true when the record must be looked at. */
  matchesTagCode(tagCode: bigint): boolean
  matchesMessage(message: Message): boolean
}

export interface PullOptions {
  topic: string
  queueId: number
  /** Queue offset to start at. */
  offset: number
  /** Default 32. */
  maxMessages?: number
  /** Default 262144 (65536 for records far behind the end), as in RocketMQ; the first message is returned whatever its size. */
  maxBytes?: number
  /** A tag expression such as `'paid || refunded'`, or a filter. */
  tags?: string | TagFilter
  filter?: MessageFilter
}

export interface RawPullOptions extends PullOptions {
  /**
   * Memory to use again for each pull, instead of a new buffer for each: the records go to its start where they fit (256 KiB hold what RocketMQ's limits allow,
   * but for one larger message), and `bytes` is a view of it.
   */
  into?: Uint8Array
}

export interface PullResult {
  readonly status: PullStatus
  /** Decoded lazily from one buffer. */
  readonly messages: readonly Message[]
  /** Where the next pull starts: filtered-out messages are behind it. */
  readonly nextOffset: number
  readonly minOffset: number
  readonly maxOffset: number
  readonly suggestPullingFromSlave: boolean
}

/** A pull without the decoding: the records back to back, as they lie in the log. */
export interface RawPullResult extends Omit<PullResult, 'messages'> {
  /** A view of `into` where one was given and is long enough; else a buffer of its own. */
  readonly bytes: Buffer
  readonly count: number
}

/** A pull that touches no record: where each lies. */
export interface RangePullResult extends Omit<PullResult, 'messages'> {
  /** Log offset and size of each record, alternating. */
  readonly ranges: Float64Array
  readonly count: number
}

/** Asks for the messages of a topic that have a key or a unique id. */
export interface KeyQuery extends IndexQuery {
  topic: string
  key: string
}

/**
 * Which message of a queue stands for a time: 'lower' the first that was stored then or later, and the queue's end when there is none; 'upper' the last that
 * was stored then or earlier, and the queue's first when there is none (both RocketMQ 5's); 'nearest' the one whose store time is nearest, as RocketMQ 4.9 has it.
 */
export type TimeRule = 'lower' | 'upper' | 'nearest'

export interface TimeQuery {
  topic: string
  queueId: number
  /** Unix milliseconds. */
  time: number
  /** Default 'lower'. */
  rule?: TimeRule
}

/** Store times of the first and the last message. */
export interface TimeSpan {
  readonly earliest: number
  readonly latest: number
}

export interface MessagesOptions {
  topic: string
  queueId: number
  /** Queue offset to start at; default the queue's min offset. */
  from?: number
  tags?: string | TagFilter
  filter?: MessageFilter
  /** Wait for new messages at the end instead of returning. */
  follow?: boolean
  signal?: AbortSignal
  /** Messages fetched at once; default 32. */
  batch?: number
}

export interface QueueInfo {
  readonly topic: string
  readonly queueId: number
  readonly minOffset: number
  readonly maxOffset: number
}

/** What `open` found and did. */
export interface RecoveryReport {
  /** False when the store was not closed properly before. */
  readonly cleanBefore: boolean
  readonly scannedFrom: number
  readonly scannedBytes: number
  readonly records: number
  readonly milliseconds: number
  /**
   * What was cut off behind the last good record, if anything; of a store that is open for reading, what would be. `corrupt`: it had been on disk, and
   * `onCorruption` says that the store opens all the same.
   */
  readonly torn?: {
    readonly logOffset: number
    readonly segment: string
    readonly bytes: number
    readonly reason: string
    readonly corrupt: boolean
  }
  readonly rebuiltQueues: readonly { readonly topic: string; readonly queueId: number; readonly reason: string }[]
  /** Whether the index was made anew from the whole log, or has to be. */
  readonly rebuiltIndex: boolean
  readonly rebuiltIndexEntries: number
  readonly removedLeftovers: readonly string[]
}

export type StoreState = 'opening' | 'open' | 'failed' | 'closing' | 'closed'

/** A queue unit that does not point to a message of its queue. */
export interface UnitDamage {
  readonly topic: string
  readonly queueId: number
  readonly queueOffset: number
  readonly logOffset: number
  readonly reason: string
}

/** A store that is open in this process, as another thread can take hold of it: structured-cloneable. */
export interface StoreHandle {
  readonly millraceStore: number
  readonly hostHex: string
}

/** Log offsets: where the backup ended before, or the log began, and where both end now. */
export interface BackupResult {
  from: number
  to: number
  copiedBytes: number
}

/** The store: composes log, queues, index, flush policy and reading over one open native store. */
import { storeError } from '../errors.js'
import { decodeMessageId } from '../format/message-id.js'
import type { NativeInfo, NativeStore } from '../native/binding.js'
import { binding } from '../native/binding.js'
import { Appender } from './appender.js'
import { backUp, backupTarget } from './backup.js'
import { CommitLog } from './commit-log.js'
import { ConfigFiles } from './config-files.js'
import { ConsumeQueue } from './consume-queue.js'
import { type Cursor, Cursors } from './cursor.js'
import { Finder } from './finder.js'
import { IndexFiles } from './index-files.js'
import type { Message } from './message.js'
import { checkMessages, followMessages } from './messages.js'
import type { AttachOptions, CheckedOptions, FaultOptions, StoreOptions } from './options.js'
import { checkOptions } from './options.js'
import { checkWhole } from './part.js'
import { PlainRequests, type PlainRequestsOptions } from './plain-requests.js'
import { listQueues } from './queue-list.js'
import { QueueNumbers } from './queue-numbers.js'
import { Reader } from './reader.js'
import { readStatistics, type StoreStatistics } from './statistics.js'
import { checkTransfer, type TransferOptions, type TransferTarget } from './transfer-target.js'
import type {
  AppendBatchOptions,
  AppendOptions,
  AppendResult,
  BackupResult,
  KeyQuery,
  MessageInput,
  MessagesOptions,
  PullOptions,
  PullResult,
  QueueInfo,
  RangePullResult,
  RawPullOptions,
  RawPullResult,
  RecoveryReport,
  StoreHandle,
  StoreState,
  TimeQuery,
  TimeSpan,
} from './types.js'

const STATES: readonly StoreState[] = ['opening', 'open', 'failed', 'closing', 'closed']

export class MessageStore {
  /** Where it lies. */
  readonly directory: string
  readonly readOnly: boolean
  /** What `open` found and did. */
  readonly recovery: RecoveryReport
  readonly commitLog: CommitLog
  readonly index: IndexFiles
  /** A broker's files beside the log. */
  readonly config: ConfigFiles
  readonly #native: NativeStore
  readonly #id: number
  readonly #queues: QueueNumbers
  readonly #appender: Appender
  readonly #reader: Reader
  readonly #finder: Finder
  readonly #cursors: Cursors
  readonly #hostHex: string
  readonly #appended = new Set<() => void>()
  #closing: Promise<void> | undefined
  #closed = false

  /**
   * Opens the store in a directory, and makes one where there is none. Recovers what a crash left, and makes it durable before it serves it.
   * Rejects with STORE_LOCKED, CORRUPT_LOG, FOREIGN_FILE, SEGMENT_SIZE_MISMATCH and others; see docs/errors.md.
   */
  static async open(directory: string, options?: StoreOptions): Promise<MessageStore> {
    const checked = checkOptions(directory, options as StoreOptions & FaultOptions)
    let store: MessageStore
    try {
      store = new MessageStore(await binding.open(checked.native, checked.onProgress), checked)
    } catch (error) {
      // Damage that may be read around is opened again without the lock.
      if ((error as { code?: string }).code !== 'CORRUPT_LOG' || options?.onCorruption !== 'readOnly') throw error
      Object.assign(checked.native, { readOnly: true, visibleWhenDurable: false })
      return new MessageStore(await binding.open(checked.native, checked.onProgress), checked)
    }
    if (store.readOnly) return store
    try {
      await store.#cursors.cutBack()
    } catch (error) {
      await store.close().catch(() => {})
      throw error
    }
    return store
  }

  /** Takes hold of a store that another thread of this process has open; it closes with the last one who closes it. */
  static attach(handle: StoreHandle, options: AttachOptions = {}): MessageStore {
    if (!Number.isSafeInteger(handle?.millraceStore)) throw storeError('HANDLE_INVALID', { reason: 'this is no handle of a store' })
    return new MessageStore(handle.millraceStore, checkOptions('.', options))
  }

  private constructor(id: number, options: CheckedOptions) {
    this.#id = id
    this.#native = binding.attach(id, (flushed, error) => this.#appender.onFlushed(flushed, error))
    const info: NativeInfo = binding.info(this.#native)
    this.directory = info.root
    this.readOnly = info.readOnly
    this.recovery = binding.report(this.#native)
    this.#hostHex = info.storeHost.toString('hex').toUpperCase()
    this.#queues = new QueueNumbers(this.#native)
    this.#appender = new Appender(this.#native, this.#queues, {
      synchronous: info.synchronousFlush,
      timeoutMs: info.flushTimeoutMs,
      maxWaitingAppends: options.maxWaitingAppends,
      maxWaitingBytes: options.maxWaitingBytes,
      whenFull: options.whenFull,
      hostHex: this.#hostHex,
      replication: options.replication,
      onAppended: () => {
        if (this.#appended.size > 0) for (const wake of this.#appended) wake()
      },
    })
    this.#reader = new Reader(this.#native, this.#queues, this.readOnly, options.onDamage, () => this.#assertOpen())
    const replaceFile = (name: string, text: string, keep = false) => binding.replaceFile(this.#native, name, Buffer.from(text), keep)
    this.#cursors = new Cursors(this, replaceFile, () => {
      this.#assertWritable()
      if (this.state === 'failed') throw storeError('STORE_FAILED', { reason: 'a sync has failed', path: this.directory })
    })
    this.config = new ConfigFiles(this.directory, replaceFile)
    this.#finder = new Finder(this.#native, this.#queues, this.readOnly)
    this.commitLog = CommitLog.ofStore(this.#native, info)
    this.index = IndexFiles.ofStore(this.#native, info)
  }

  /** A plain value for `attach` in another thread. */
  get handle(): StoreHandle {
    return { millraceStore: this.#id, hostHex: this.#hostHex }
  }

  get state(): StoreState {
    if (this.#closed) return 'closed'
    if (this.#closing !== undefined) return 'closing'
    const numbers = new Float64Array(12)
    binding.numbers(this.#native, numbers)
    return STATES[numbers[0] as number] as StoreState
  }

  /** First byte of the log that is still there. */
  get minLogOffset(): number {
    return this.commitLog.minOffset
  }

  /** Where the visible log ends. */
  get maxLogOffset(): number {
    return this.commitLog.maxOffset
  }

  /** Everything below is on disk. */
  get flushedLogOffset(): number {
    return this.commitLog.flushedOffset
  }

  /** Appends one message; settles when the flush policy's promise holds. The body belongs to the store until then. */
  append(message: MessageInput, options?: AppendOptions): Promise<AppendResult> {
    const error = this.#notWritable()
    return error === undefined ? this.#appender.append(message, options) : Promise.reject(error)
  }

  /** Appends one message and returns when the flush policy's promise holds: under sync flush it blocks for one fdatasync. */
  appendSync(message: MessageInput, options?: AppendOptions): AppendResult {
    this.#assertWritable()
    return this.#appender.appendSync(message, options)
  }

  /** Appends many, of any topics and queues, in one crossing. All are checked before any is written: one bad message refuses all (`error.index`). */
  async appendBatch(messages: readonly MessageInput[], options?: AppendBatchOptions): Promise<AppendResult[]> {
    this.#assertWritable()
    return this.#appender.appendBatch(messages, options)
  }

  appendBatchSync(messages: readonly MessageInput[], options?: AppendBatchOptions): AppendResult[] {
    this.#assertWritable()
    return this.#appender.appendBatchSync(messages, options)
  }

  /** For a broker: frames of plain sends and pulls are answered as they come from its sockets. */
  plainRequests(options: PlainRequestsOptions): PlainRequests {
    this.#assertWritable()
    const acknowledged = (logOffset: number) => this.#appender.acknowledged(logOffset)
    return new PlainRequests(this.#native, options, this.#appender.waits ? acknowledged : undefined)
  }

  /** Log bytes of another store at exactly the end of this one (APPEND_GAP otherwise): for a replica. */
  appendRaw(logOffset: number, bytes: Uint8Array): void {
    this.#assertWritable()
    this.#appender.commit()
    binding.appendRaw(this.#native, logOffset, bytes)
    for (const wake of this.#appended) wake()
  }

  /** Messages of a queue from an offset on, at most what RocketMQ's limits allow at once. */
  pull(options: PullOptions): Promise<PullResult> {
    return this.#reader.pull(options)
  }

  /** The same as records back to back, undecoded; with `into` in memory of the caller's. */
  pullRaw(options: RawPullOptions): Promise<RawPullResult> {
    return this.#reader.pullRaw(options)
  }

  /** The same as ranges of the log; no record is touched unless tags must be compared. */
  pullRanges(options: PullOptions): Promise<RangePullResult> {
    return this.#reader.pullRanges(options)
  }

  /**
   * Sends a head, if any, and behind it the records of a page (or any ranges of the log: offset and size, alternating) to a socket or descriptor, after all that
   * was given to the target before. Records pass through no memory of the process's own. Settles with the number of bytes when the kernel has all of them.
   * Rejects with RANGE_GONE, nothing sent, where the log does not have a range any more; with TRANSFER_FAILED or PAGE_UNREADABLE, and destroys the
   * socket, where the answer could not be finished. The segments stay until it is out.
   */
  async transfer(target: TransferTarget, what: TransferOptions): Promise<number> {
    this.#assertOpen()
    return target.send(checkTransfer(target, what, this.#native))
  }

  /** The messages of a queue in order. With `follow` it waits for new ones; `signal` stops it. */
  messages(options: MessagesOptions): AsyncIterableIterator<Message> {
    return followMessages(this, checkMessages(options), this.#appended)
  }

  /** The message whose record starts at a log offset; undefined when none does. */
  async messageAt(logOffset: number): Promise<Message | undefined> {
    this.#assertOpen()
    return this.commitLog.messageAt(logOffset)
  }

  /** By offset message id. */
  async messageById(messageId: string): Promise<Message | undefined> {
    const id = typeof messageId === 'string' ? decodeMessageId(messageId) : undefined
    if (id === undefined)
      throw storeError('INVALID_ARGUMENT', {
        what: 'messageId',
        value: messageId,
        allowed: '32 or 56 hexadecimal digits of an offset message id',
      })
    return this.messageAt(Number(id.logOffset))
  }

  /** The messages of a topic that have a key or a unique id and were stored in [begin, end], newest first; 64 of them where `limit` says nothing else. */
  async messagesByKey(query: KeyQuery): Promise<Message[]> {
    this.#assertOpen()
    const messages = await Promise.all((await this.#finder.byKey(query)).map((logOffset) => this.commitLog.messageAt(logOffset)))
    return messages.filter((message) => message !== undefined)
  }

  /** The queue offset that stands for a store time; 0 for an unknown queue. */
  async offsetByTime(query: TimeQuery): Promise<number> {
    this.#assertOpen()
    return this.#finder.offsetByTime(query)
  }

  /** Store times of the first and the last message of a queue, or of the whole log; undefined when there is none. */
  async timeSpan(queue?: { topic: string; queueId: number }): Promise<TimeSpan | undefined> {
    this.#assertOpen()
    return this.#finder.timeSpan(queue)
  }

  /** Every record of the log in order, those outside queues included. */
  records(range: { from?: number; to?: number } = {}): AsyncIterableIterator<Message> {
    this.#assertOpen()
    return this.commitLog.records(range)
  }

  /** A named position in each queue, kept by the store; the same object for the same name. */
  async cursor(name: string): Promise<Cursor> {
    return this.#cursors.get(name)
  }

  /** The names of the cursors that were ever committed. */
  async cursors(): Promise<string[]> {
    this.#assertOpen()
    return this.#cursors.names()
  }

  /** What the store has done since it was opened, by all threads that have it, and how it stands. */
  statistics(): StoreStatistics {
    this.#assertOpen()
    return readStatistics(this.#native)
  }

  topics(): string[] {
    return [...new Set(this.queues().map(({ topic }) => topic))]
  }

  queues(topic?: string): QueueInfo[] {
    this.#assertOpen()
    if (this.readOnly) binding.refresh(this.#native)
    return listQueues(this.#native, topic)
  }

  /** First offset of a queue, and the one that its next message gets; 0 and 0 for an unknown queue. */
  bounds(topic: string, queueId: number): { minOffset: number; maxOffset: number } {
    this.#assertOpen()
    if (this.readOnly) binding.refresh(this.#native)
    const number = this.#queues.of(topic, queueId, false)
    if (number < 0) return { minOffset: 0, maxOffset: 0 }
    const [minOffset, maxOffset] = binding.bounds(this.#native, number)
    return { minOffset, maxOffset }
  }

  /** One queue's units. */
  consumeQueue(topic: string, queueId: number): ConsumeQueue {
    this.#assertOpen()
    return ConsumeQueue.ofStore(this.#native, topic, queueId, this.#queues)
  }

  /** Log, queues, index, checkpoint: everything appended so far is on disk when it settles. */
  async flush(): Promise<void> {
    this.#assertWritable()
    this.#appender.commit()
    await binding.flush(this.#native)
  }

  /** Deletes what the rules of `retention` let go, at whatever hour. Settles with the number of segments that went. */
  async clean(): Promise<number> {
    this.#assertWritable()
    return binding.clean(this.#native, undefined)
  }

  /**
   * Deletes the segments that lie whole below a log offset, with what queues and index have of them; never the last one, and none that is not on disk yet.
   * Settles with the number of segments that went.
   */
  async deleteBelow(logOffset: number): Promise<number> {
    this.#assertWritable()
    checkWhole('logOffset', logOffset)
    return binding.clean(this.#native, logOffset)
  }

  /**
   * The messages that the topic's queues hold at this moment are not pulled any more, after any crash either; by key and log offset they are found until their
   * segments go. Numbers go on: the next message of a queue gets the one that it would have got. A topic that is not there is deleted too.
   */
  async deleteTopic(topic: string): Promise<void> {
    this.#assertWritable()
    if (typeof topic !== 'string') throw storeError('INVALID_ARGUMENT', { what: 'topic', value: topic, allowed: 'the name of a topic' })
    this.#appender.commit()
    await binding.deleteTopic(this.#native, topic)
  }

  /**
   * Makes a copy of the store as it is at this moment, while it goes on: a store that was closed, for millrace or Java to open. In a directory that holds
   * an earlier backup of this store only what has come since is copied (and what this one has deleted is deleted there). Rejects with BACKUP_MISMATCH
   * where another store lies. An interrupted backup is a store that crashed; the next one goes on from it.
   */
  async backup(directory: string): Promise<BackupResult> {
    this.#assertOpen()
    const target = backupTarget(directory, this.directory)
    if (!this.readOnly) this.#appender.commit()
    return backUp(this.#native, target)
  }

  /** Flushes, writes the checkpoint and gives the lock back. Any number of calls; appends that wait settle first. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<void> {
    await this.#appender.drain()
    await this.#cursors.settled()
    try {
      await binding.close(this.#native)
    } finally {
      this.#closed = true
      for (const wake of this.#appended) wake()
    }
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw storeError('STORE_NOT_OPEN', { state: this.#closed ? 'closed' : 'closing' })
  }

  #notWritable(): Error | undefined {
    if (this.#closing !== undefined) return storeError('STORE_NOT_OPEN', { state: this.#closed ? 'closed' : 'closing' })
    if (this.readOnly) return storeError('STORE_READ_ONLY', { path: this.directory })
    return undefined
  }

  #assertWritable(): void {
    const error = this.#notWritable()
    if (error !== undefined) throw error
  }
}

/** The one import of the addon, and its types. Everything is flat: numbers, strings, bytes and opaque values in, the same out. */

import { fileURLToPath } from 'node:url'
import bindings from 'bindings'
import { nativeError, storeError } from '../errors.js'

declare const opaque: unique symbol
/** An open store as this environment holds it. */
export type NativeStore = { readonly [opaque]: 'store' }
/** Tags of a pull, hashed once. */
export type NativeTags = { readonly [opaque]: 'tags' }
/** A part of a store that this environment has open alone. */
export type NativePart = { readonly [opaque]: 'part' }

export interface NativeOpenOptions {
  root: string
  logDirectories?: string[] | undefined
  readOnlyLogDirectories?: string[] | undefined
  segmentBytes?: number | undefined
  queueFileBytes?: number | undefined
  indexSlots?: number | undefined
  indexEntries?: number | undefined
  indexEnabled?: boolean | undefined
  rebuildIndex?: boolean | undefined
  /** A new folder that queues and index are moved into; they are made again from the log. */
  aside?: string | undefined
  readOnly?: boolean | undefined
  /** 0 refuse, 1 open for reading, 2 cut. */
  onCorruption?: number | undefined
  synchronousFlush?: boolean | undefined
  visibleWhenDurable?: boolean | undefined
  multiDispatch?: boolean | undefined
  lmq?: boolean | undefined
  queueExtension?: boolean | undefined
  extensionFileBytes?: number | undefined
  checkCrc?: boolean | undefined
  /** Address in hex, colon, port. */
  storeHost: string
  delayLevelsMs?: readonly number[] | undefined
  flushIntervalMs?: number | undefined
  flushLeastPages?: number | undefined
  flushThoroughIntervalMs?: number | undefined
  flushTimeoutMs?: number | undefined
  checkpointIntervalMs?: number | undefined
  pagecacheBusyMs?: number | undefined
  maxMessageBytes?: number | undefined
  maxMemoryBytes?: number | undefined
  maxMemoryCount?: number | undefined
  maxDiskBytes?: number | undefined
  maxDiskCount?: number | undefined
  memoryRatio?: number | undefined
  deleteByAge?: boolean | undefined
  deleteByDiskUse?: boolean | undefined
  maxLogBytes?: number | undefined
  reservedMs?: number | undefined
  deleteHours?: readonly number[] | undefined
  maxUsedPercent?: number | undefined
  cleanForciblyPercent?: number | undefined
  refusePercent?: number | undefined
  mayCleanForcibly?: boolean | undefined
  cleanIntervalMs?: number | undefined
  holdMs?: number | undefined
  /** Failures on purpose, for tests; the grammar is in native/core/faulty_file_system.cc. */
  faults?: string | undefined
}

export interface NativeReport {
  cleanBefore: boolean
  scannedFrom: number
  scannedBytes: number
  records: number
  milliseconds: number
  torn?: { logOffset: number; segment: string; bytes: number; reason: string; corrupt: boolean }
  rebuiltQueues: { topic: string; queueId: number; reason: string }[]
  rebuiltIndex: boolean
  rebuiltIndexEntries: number
  removedLeftovers: string[]
}

export interface NativeInfo {
  root: string
  readOnly: boolean
  segmentBytes: number
  queueFileBytes: number
  indexSlots: number
  indexEntries: number
  synchronousFlush: boolean
  flushTimeoutMs: number
  storeHostV6: boolean
  /** Address and 4-byte port. */
  storeHost: Buffer
}

export interface NativePartOptions {
  /** Its folder or file. */
  path: string
  /** Folder where its new files are born. */
  work: string
  /** The lock of the store that it lies in. */
  lock?: string | undefined
  readOnly: boolean
  /** What is no record or unit may be overwritten. */
  cut?: boolean | undefined
  fileBytes?: number | undefined
  slots?: number | undefined
  entries?: number | undefined
  /** Of a queue: the folder of all topics, and its names. */
  queues?: string | undefined
  topic?: string | undefined
  queueId?: number | undefined
  faults?: string | undefined
}

export interface UnitMismatch {
  queueOffset: number
  logOffset: number
  reason: string
}

/** Writes the messages of its block, and its answer over them; the layout stands in native/napi/append.cc. */
export type NativeAppend = (body?: Uint8Array) => void

/** A socket that the core reads. */
export type NativeSocket = { readonly [opaque]: 'socket' }
/** Takes plain requests; the order of `numbers`, and what the functions are given, stands in native/napi/plain_requests.cc. */
export interface NativePlainRequests {
  watch(
    fd: number,
    bornHost: Uint8Array,
    begun: Uint8Array,
    gate: () => number,
    admit: (
      number: number,
      queueId: number,
      sysFlag: number,
      subVersion: number,
      commitOffset: number,
      offset?: number,
      maxMessages?: number,
      opaque?: number,
      suspendMs?: number,
    ) => number,
    onRead: (rest?: Buffer, unsent?: Buffer, ended?: number, arrivals?: readonly number[], ranges?: readonly number[]) => void,
  ): NativeSocket | undefined
  taken(): number
  awaitArrival(topic: number, queueId: number): void
  take(bytes: Uint8Array, bornHost: Uint8Array, numbers: Float64Array, fd: number): Buffer | undefined
  setTopic(topic: string, number: number, queues: number): void
  setPull(
    number: number,
    group: string,
    topic: string,
    subscription: string | undefined,
    tags: NativeTags | undefined,
    broker: number,
    slowBroker: number,
  ): void
  clearPulls(): void
}

type PullArguments = [
  store: NativeStore,
  queue: number,
  offset: number,
  maxMessages: number,
  maxBytes: number,
  mode: number,
  tags: NativeTags | undefined,
]

export interface Binding {
  readonly constants: {
    readonly codes: readonly string[]
    readonly blockHeadBytes: number
    readonly entryHeadBytes: number
    readonly pullNumbers: number
    readonly unitBytes: number
    readonly recordMagic: number
    readonly blankMagic: number
    readonly crc32Method: string
  }
  setErrorFactory(factory: typeof nativeError): void
  open(options: NativeOpenOptions, onProgress?: (done: number, total: number) => void): Promise<number>
  attach(id: number, onFlushed: (flushed: number, error: Error | undefined) => void): NativeStore
  close(store: NativeStore): Promise<void>
  /** Segments deleted: those that the rules let go now, or those that end at or before `below`. */
  clean(store: NativeStore, below: number | undefined): Promise<number>
  deleteTopic(store: NativeStore, topic: string): Promise<void>
  backup(store: NativeStore, directory: string): Promise<[from: number, to: number, bytes: number]>
  /** A small file in the store's directory, as a whole; `keep`: the one before as NAME.bak. The bytes must not change meanwhile. */
  replaceFile(store: NativeStore, name: string, bytes: Uint8Array, keep: boolean): Promise<void>
  report(store: NativeStore): NativeReport
  info(store: NativeStore): NativeInfo
  /** Writes state, positions and counters; their order stands in native/napi/store.cc. */
  numbers(store: NativeStore, out: Float64Array): void
  /** What the store has counted; the order of `numbers` stands in native/napi/statistics.cc. A histogram is an end in nanoseconds and a count, for each bucket that is not empty. */
  statistics(store: NativeStore): { numbers: number[]; appendLatency: number[]; syncLatency: number[] }
  setConfirmOffset(store: NativeStore, logOffset: number): void
  createAppender(store: NativeStore, blockBytes: number): { append: NativeAppend; block: ArrayBuffer }
  createPlainRequests(
    store: NativeStore,
    options: { regionJson: string; cluster: string; traceOn: boolean; maxBodyBytes: number; version: number },
  ): NativePlainRequests
  listenSocket(socket: NativeSocket, whether: boolean): void
  handOver(socket: NativeSocket): void
  giveBack(socket: NativeSocket, begun: Uint8Array): void
  answerPull(socket: NativeSocket, number: number, queueId: number, offset: number, maxMessages: number, opaque: number): boolean
  quietMs(socket: NativeSocket): number
  closeSocket(socket: NativeSocket): void
  queue(store: NativeStore, topic: string, queueId: number, make: boolean): number
  appendRaw(store: NativeStore, logOffset: number, bytes: Uint8Array): void
  wakeWhenFlushed(store: NativeStore, logOffset: number): void
  hold(store: NativeStore, whether: boolean): void
  flush(store: NativeStore): Promise<void>
  createTags(tags: readonly string[]): NativeTags
  /**
   * Mode: 0 the records' bytes, in `into` where they fit and else returned; 1 their ranges behind the numbers. Nothing comes from disk: it says so in the
   * numbers instead.
   */
  pull(...args: [...PullArguments, numbers: Float64Array, into: Uint8Array | undefined]): Buffer | undefined
  /** The same on the pool, which may read from disk. */
  pullCold(...args: PullArguments): Promise<{ numbers: Float64Array; value?: Buffer }>
  /** The units of the last pull that did not point to a record of their queue. */
  mismatches(store: NativeStore): UnitMismatch[]
  recordAt(store: NativeStore, logOffset: number): Buffer | undefined | Promise<Buffer | undefined>
  readLog(source: NativeStore | NativePart, logOffset: number, maxBytes: number): Promise<{ bytes: Buffer; start: number; next: number }>
  listQueues(store: NativeStore): (string | number)[]
  bounds(store: NativeStore, queue: number): [min: number, max: number]
  readUnits(store: NativeStore, queue: number, offset: number, count: number): Buffer
  queryIndex(store: NativeStore, topic: string, key: string, limit: number, begin: number, end: number): number[]
  /** Log offsets of the messages that have the key, newest first. */
  findMessages(store: NativeStore, topic: string, key: string, limit: number, begin: number, end: number): Promise<number[]>
  /** Rule: 0 lower, 1 upper, 2 nearest. */
  offsetByTime(store: NativeStore, queue: number, time: number, rule: number): Promise<number>
  /** Of a queue, or of the whole log; -1 when there is nothing. */
  timeSpan(store: NativeStore, queue: number | undefined): Promise<[earliest: number, latest: number]>
  /** Once an environment, before those below. `onProgress`: so many more items of a target are with the kernel; after an error the rest will never be. */
  beginTransfers(onProgress: (target: number, items: number, error: Error | undefined) => void): void
  /** A target's number, for a duplicate of the descriptor. */
  openTarget(fd: number, stallMs: number): number
  /** Ranges: log offset and size, alternating. Way: 0 chosen, 1 sendfile, 2 writev. → false: would come from disk, nothing done; true: leaves with `sendTransfers`. */
  addTransfer(
    target: number,
    store: NativeStore | undefined,
    head: Uint8Array | undefined,
    ranges: Float64Array | undefined,
    way: number,
    cachedOnly: boolean,
  ): boolean
  /** Whether all that was added is with the kernel; else progress will be told. */
  sendTransfers(target: number): boolean
  closeTarget(target: number): void
  /** Whether waiting for progress keeps the process alive. */
  holdTransfers(whether: boolean): void
  /** Brings ranges of the log into the page cache. */
  readIn(store: NativeStore, ranges: Float64Array): Promise<void>
  refresh(store: NativeStore): void
  refreshCold(store: NativeStore): Promise<void>
  /** Bytes of the log as they lie, to the end of their segment at most. */
  readRange(log: NativeStore | NativePart, logOffset: number, bytes: number): Promise<Buffer>
  openLog(options: NativePartOptions): Promise<NativePart>
  openQueue(options: NativePartOptions): Promise<NativePart>
  openIndex(options: NativePartOptions): Promise<NativePart>
  openIndexFile(options: NativePartOptions): Promise<NativePart>
  flushPart(part: NativePart): Promise<void>
  closePart(part: NativePart): Promise<void>
  logSegmentBytes(log: NativePart): number
  /** In the order of `numbers`. */
  logNumbers(log: NativePart, out: Float64Array): void
  setLogConfirmOffset(log: NativePart, logOffset: number): void
  logRecordAt(log: NativePart, logOffset: number): Promise<Buffer | undefined>
  appendRawToLog(log: NativePart, logOffset: number, bytes: Uint8Array): void
  refreshLog(log: NativePart): Promise<void>
  queueBounds(queue: NativePart): [min: number, max: number]
  queueUnits(queue: NativePart, offset: number, count: number): Buffer
  putUnit(queue: NativePart, logOffset: number, size: number, tagCode: bigint): number
  indexSizes(index: NativePart): [slots: number, entries: number]
  findKey(index: NativePart, topic: string, key: string, limit: number, begin: number, end: number): number[]
  putKey(index: NativePart, topic: string, key: string, logOffset: number, storeTimestamp: number): boolean
  /** The header, and behind it the entries from a number on. */
  readIndexEntries(file: NativePart, from: number, count: number): Buffer
  crc32(bytes: Uint8Array, byTable?: boolean): number
  tagHash(tag: string): number
  indexHash(topic: string, key: string): number
}

function load(): Binding {
  // From dist/native or, in the tests, build/test/src/native: the folder that holds package.json is found by walking up.
  try {
    const loaded = bindings({ bindings: 'millrace.node', module_root: packageRoot() }) as Binding
    loaded.setErrorFactory(nativeError)
    return loaded
  } catch (cause) {
    if (cause instanceof Error && 'tries' in cause) throw storeError('ADDON_NOT_FOUND', { cause })
    throw cause
  }
}

function packageRoot(): string {
  return bindings.getRoot(fileURLToPath(import.meta.url))
}

export const binding: Binding = load()

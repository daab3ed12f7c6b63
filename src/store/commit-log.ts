/** The commit log, of an open store or alone: positions, records by offset, records in order, bytes as they lie. */
import { resolve } from 'node:path'
import type { NativeInfo, NativePart, NativeStore } from '../native/binding.js'
import { binding } from '../native/binding.js'
import { Message } from './message.js'
import type { CutOptions, OpenPart, PartOptions } from './part.js'
import { checkObject, checkPart, checkWhole, openPart, StorePart } from './part.js'

const READ_BYTES = 1 << 20
const [MIN, PUBLISHED, VISIBLE, FLUSHED, CONFIRM] = [1, 2, 3, 4, 5]
const MIN_SEGMENT_BYTES = 1024

export interface LogStatistics {
  /** fdatasync calls of the log, and their time. */
  readonly syncs: number
  readonly syncMilliseconds: number
  /** Bytes of pages made present ahead of the writer. */
  readonly populatedBytes: number
  /** Records encoded into the mapping, and those gathered and written by pwrite. */
  readonly copied: number
  readonly written: number
  /** Pages that a sync protected again before the writer came to them: each costs it a fault. */
  readonly refaultedPages: number
}

export interface CommitLogOptions extends PartOptions, CutOptions {
  /** Length of every segment; found from the files where there are some, else 1 GiB. */
  segmentBytes?: number
}

/** What a log is read through. */
interface LogSource {
  readonly segmentBytes: number
  numbers(out: Float64Array): void
  confirm(logOffset: number): void
  recordAt(logOffset: number): Buffer | undefined | Promise<Buffer | undefined>
  read(logOffset: number, maxBytes: number): Promise<{ bytes: Buffer; next: number }>
  range(logOffset: number, bytes: number): Promise<Buffer>
  refresh(): void | Promise<void>
}

export class CommitLog extends StorePart {
  readonly #source: LogSource
  readonly #numbers = new Float64Array(12)

  /**
   * Opens the log in a folder without a store around it. Where it ends is found by reading its last segment: the first place without a whole record,
   * CRC included. `await log.close()` lets go.
   */
  static async open(directory: string, options: CommitLogOptions = {}): Promise<CommitLog> {
    const { segmentBytes } = checkPart(directory, options, { segmentBytes: MIN_SEGMENT_BYTES })
    const path = resolve(directory)
    const own = await openPart('openLog', path, path, 'commitlog', options, { fileBytes: segmentBytes })
    return new CommitLog(ownLog(own.native), own)
  }

  /** @internal */
  static ofStore(native: NativeStore, info: NativeInfo): CommitLog {
    return new CommitLog(storeLog(native, info))
  }

  private constructor(source: LogSource, own?: OpenPart) {
    super(own)
    this.#source = source
  }

  /** Length of every segment file. */
  get segmentBytes(): number {
    return this.#source.segmentBytes
  }

  /** First byte that is still there. */
  get minOffset(): number {
    return this.#number(MIN)
  }

  /** End of what readers see. */
  get maxOffset(): number {
    return this.#number(VISIBLE)
  }

  /** End of what is written. */
  get writtenOffset(): number {
    return this.#number(PUBLISHED)
  }

  /** Everything below is on disk, as far as the writer knows; a reader knows only that it is there. */
  get flushedOffset(): number {
    return this.#number(FLUSHED)
  }

  /** What replicas have confirmed; -1 before anybody said. */
  get confirmOffset(): number {
    return this.#number(CONFIRM)
  }

  set confirmOffset(logOffset: number) {
    this.#source.confirm(logOffset)
  }

  get statistics(): LogStatistics {
    const numbers = this.#numbers
    this.#source.numbers(numbers)
    return {
      syncs: numbers[6] as number,
      syncMilliseconds: (numbers[7] as number) / 1e6,
      populatedBytes: numbers[8] as number,
      copied: numbers[9] as number,
      written: numbers[10] as number,
      refaultedPages: numbers[11] as number,
    }
  }

  async messageAt(logOffset: number): Promise<Message | undefined> {
    checkWhole('logOffset', logOffset)
    const bytes = await this.#source.recordAt(logOffset)
    return bytes === undefined ? undefined : new Message(bytes, 0)
  }

  /** Every record that starts in [from, to), in order. */
  records(range: { from?: number; to?: number } = {}): AsyncIterableIterator<Message> {
    checkObject('range', range)
    const { from = this.minOffset, to = Number.MAX_SAFE_INTEGER } = range
    checkWhole('from', from)
    checkWhole('to', to)
    return this.#records(from, to)
  }

  async *#records(from: number, to: number): AsyncIterableIterator<Message> {
    let offset = from
    while (offset < to) {
      const { bytes, next } = await this.#source.read(offset, READ_BYTES)
      if (bytes.length === 0) return
      for (let at = 0; at < bytes.length; ) {
        const message = new Message(bytes, at)
        if (message.logOffset >= to) return
        yield message
        at += message.size
      }
      offset = next
    }
  }

  /** At most `bytes` bytes from an offset on, as they lie; they end where their segment or the visible log ends. What `appendRaw` takes. */
  async range(logOffset: number, bytes: number): Promise<Buffer> {
    checkWhole('logOffset', logOffset)
    checkWhole('bytes', bytes)
    return this.#source.range(logOffset, bytes)
  }

  /**
   * Bytes of another log at exactly the end of this one, `writtenOffset` (APPEND_GAP otherwise); an empty log begins at any segment. They may end
   * inside a record: readers see whole records only. They are in the page cache when it returns. Queues and index learn of them when a store is opened.
   */
  appendRaw(logOffset: number, bytes: Uint8Array): void {
    binding.appendRawToLog(this.writable(), logOffset, bytes)
  }

  /** Looks for what another process has appended since, in a log that is open for reading. */
  async refresh(): Promise<void> {
    await this.#source.refresh()
  }

  #number(index: number | undefined): number {
    this.#source.numbers(this.#numbers)
    return this.#numbers[index as number] as number
  }
}

function storeLog(native: NativeStore, { segmentBytes }: NativeInfo): LogSource {
  return {
    segmentBytes,
    numbers: (out) => binding.numbers(native, out),
    confirm: (logOffset) => binding.setConfirmOffset(native, logOffset),
    recordAt: (logOffset) => binding.recordAt(native, logOffset),
    read: (logOffset, maxBytes) => binding.readLog(native, logOffset, maxBytes),
    range: (logOffset, bytes) => binding.readRange(native, logOffset, bytes),
    refresh: () => binding.refresh(native),
  }
}

function ownLog(native: NativePart): LogSource {
  return {
    segmentBytes: binding.logSegmentBytes(native),
    numbers: (out) => binding.logNumbers(native, out),
    confirm: (logOffset) => binding.setLogConfirmOffset(native, logOffset),
    recordAt: (logOffset) => binding.logRecordAt(native, logOffset),
    read: (logOffset, maxBytes) => binding.readLog(native, logOffset, maxBytes),
    range: (logOffset, bytes) => binding.readRange(native, logOffset, bytes),
    refresh: () => binding.refreshLog(native),
  }
}

/** The commit log of an open store: positions, records by offset, records in order. */
import { storeError } from '../errors.js'
import type { NativeInfo, NativeStore } from '../native/binding.js'
import { binding } from '../native/binding.js'
import { Message } from './message.js'

const READ_BYTES = 1 << 20
const [MIN, PUBLISHED, VISIBLE, FLUSHED, CONFIRM] = [1, 2, 3, 4, 5]

export interface LogStatistics {
  /** fdatasync calls of the log, and their time. */
  readonly syncs: number
  readonly syncMilliseconds: number
  /** Bytes of pages made present ahead of the writer. */
  readonly populatedBytes: number
  /** Commits that were copied into the mapping, and those that were written by pwrite. */
  readonly copied: number
  readonly written: number
  /** Pages that a sync protected again before the writer came to them: each costs it a fault. */
  readonly refaultedPages: number
}

export class CommitLog {
  readonly #native: NativeStore
  readonly #numbers = new Float64Array(12)
  /** Length of every segment file. */
  readonly segmentBytes: number

  constructor(native: NativeStore, info: NativeInfo) {
    this.#native = native
    this.segmentBytes = info.segmentBytes
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

  /** Everything below is on disk. */
  get flushedOffset(): number {
    return this.#number(FLUSHED)
  }

  /** What replicas have confirmed; -1 before anybody said. */
  get confirmOffset(): number {
    return this.#number(CONFIRM)
  }

  set confirmOffset(logOffset: number) {
    binding.setConfirmOffset(this.#native, logOffset)
  }

  get statistics(): LogStatistics {
    const numbers = this.#numbers
    binding.numbers(this.#native, numbers)
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
    check('logOffset', logOffset)
    const bytes = await binding.recordAt(this.#native, logOffset)
    return bytes === undefined ? undefined : new Message(bytes, 0)
  }

  /** Every record that starts in [from, to), in order. */
  async *records({
    from = this.minOffset,
    to = Number.MAX_SAFE_INTEGER,
  }: {
    from?: number
    to?: number
  } = {}): AsyncIterableIterator<Message> {
    check('from', from)
    check('to', to)
    let offset = from
    while (offset < to) {
      const { bytes, next } = await binding.readLog(this.#native, offset, READ_BYTES)
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

  #number(index: number | undefined): number {
    binding.numbers(this.#native, this.#numbers)
    return this.#numbers[index as number] as number
  }
}

function check(what: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw storeError('INVALID_ARGUMENT', { what, value, allowed: 'a whole number from 0' })
}

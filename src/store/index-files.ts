/** The index of an open store: log offsets by key. Only hashes are compared; whoever reads the records compares the keys. */
import { storeError } from '../errors.js'
import type { NativeInfo, NativeStore } from '../native/binding.js'
import { binding } from '../native/binding.js'

/** RocketMQ's maxMsgsNumBatch. */
const MAX_ANSWERS = 64

export class IndexFiles {
  readonly #native: NativeStore
  /** Hash slots and entries of each file. */
  readonly slots: number
  readonly entries: number

  constructor(native: NativeStore, info: NativeInfo) {
    this.#native = native
    this.slots = info.indexSlots
    this.entries = info.indexEntries
  }

  /** Log offsets of the messages of a topic with a key (or unique id) whose store time lies in [begin, end], newest first. */
  query(topic: string, key: string, { limit = MAX_ANSWERS, begin = 0, end = Number.MAX_SAFE_INTEGER } = {}): number[] {
    if (typeof topic !== 'string' || typeof key !== 'string')
      throw storeError('INVALID_ARGUMENT', { what: 'key', value: key, allowed: 'a topic and a key' })
    return binding.queryIndex(this.#native, topic, key, limit, begin, end)
  }
}

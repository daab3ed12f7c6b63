/** One file of an index, open alone: its header, its entries, and log offsets by key. */
import { dirname, resolve } from 'node:path'
import type { IndexEntry, IndexHeader, IndexSizes } from '../format/index-file.js'
import { INDEX_ENTRY_BYTES, INDEX_HEADER_BYTES, readIndexEntry, readIndexHeader } from '../format/index-file.js'
import type { NativePart } from '../native/binding.js'
import { binding } from '../native/binding.js'
import type { OpenPart, PartOptions } from './part.js'
import { checkObject, checkPart, checkWhole, invalid, openPart, StorePart } from './part.js'

/** RocketMQ's maxMsgsNumBatch. */
const MAX_ANSWERS = 64
const READ_ENTRIES = 4096

export interface IndexOptions extends PartOptions {
  /** Hash slots and entries of a file, both or neither: found from the length of the files where there are four entries to a slot. */
  slots?: number
  entries?: number
}

export interface IndexQuery {
  /** Default 64. */
  limit?: number
  /** Store times, both included. */
  begin?: number
  end?: number
}

export class IndexFile extends StorePart {
  readonly #native: NativePart
  /** Hash slots and entries of the file; entry 0 is never used. */
  readonly slots: number
  readonly entries: number

  /** Opens one index file. A new one is made by `IndexFiles`, which puts keys where there is room. */
  static async open(path: string, options: IndexOptions = {}): Promise<IndexFile> {
    const sizes = indexSizes(path, options)
    const file = resolve(path)
    return new IndexFile(await openPart('openIndexFile', file, dirname(file), 'index', options, sizes))
  }

  private constructor(own: OpenPart) {
    super(own)
    this.#native = own.native
    ;[this.slots, this.entries] = binding.indexSizes(own.native)
  }

  get header(): IndexHeader {
    return readIndexHeader(binding.readIndexEntries(this.#native, 1, 0))
  }

  /** The entries in order, from a number on, or `count` of them. They are numbered from 1. */
  *items(from = 1, count = this.entries): IterableIterator<IndexEntry> {
    checkWhole('from', from)
    checkWhole('count', count)
    for (let number = Math.max(1, from), left = count; left > 0; ) {
      const bytes = binding.readIndexEntries(this.#native, number, Math.min(left, READ_ENTRIES))
      const read = entriesIn(bytes)
      if (read === 0) return
      for (let i = 0; i < read; i++) yield readIndexEntry(bytes, NO_SLOTS, i)
      number += read
      left -= read
    }
  }

  /** Log offsets of the messages of a topic with a key whose store time lies in [begin, end], newest first. */
  query(topic: string, key: string, query: IndexQuery = {}): number[] {
    return binding.findKey(this.#native, ...queryOf(topic, key, query))
  }

  /** Puts an entry behind the last; false when the file is full. Log offsets and store times rise. */
  put(topic: string, key: string, logOffset: number, storeTimestamp: number): boolean {
    return binding.putKey(this.writable(), topic, key, logOffset, storeTimestamp)
  }
}

/** Bytes of the core are a small index file: the header, and entries without slots before them. */
const NO_SLOTS: IndexSizes = { slots: 0, entries: READ_ENTRIES }
const entriesIn = (bytes: Buffer) => (bytes.length - INDEX_HEADER_BYTES) / INDEX_ENTRY_BYTES

/** What a query takes, checked. */
export function queryOf(
  topic: string,
  key: string,
  query: IndexQuery,
): [topic: string, key: string, limit: number, begin: number, end: number] {
  checkObject('query', query)
  const { limit = MAX_ANSWERS, begin = 0, end = Number.MAX_SAFE_INTEGER } = query
  if (typeof topic !== 'string' || typeof key !== 'string') throw invalid('key', key, 'a topic and a key')
  return [topic, key, limit, begin, end]
}

export function indexSizes(path: string, options: IndexOptions): Pick<IndexOptions, 'slots' | 'entries'> {
  const { slots, entries } = checkPart(path, options, { slots: 1, entries: 2 })
  if ((slots === undefined) !== (entries === undefined)) throw invalid('entries', entries, 'slots and entries, or neither of them')
  return slots === undefined || entries === undefined ? {} : { slots, entries }
}

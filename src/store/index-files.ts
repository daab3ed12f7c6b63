/** The index, of an open store or alone: log offsets by key. Only hashes are compared; whoever reads the records compares the keys. */
import { readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { storeError } from '../errors.js'
import type { NativeInfo, NativeStore } from '../native/binding.js'
import { binding } from '../native/binding.js'
import type { IndexOptions, IndexQuery } from './index-file.js'
import { IndexFile, indexSizes, queryOf } from './index-file.js'
import type { OpenPart } from './part.js'
import { openPart, StorePart } from './part.js'

type Query = (...query: ReturnType<typeof queryOf>) => number[]

export class IndexFiles extends StorePart {
  readonly #query: Query
  readonly #directory: string
  /** Hash slots and entries of each file. */
  readonly slots: number
  readonly entries: number

  /** Opens the index in a folder without a store around it. */
  static async open(directory: string, options: IndexOptions = {}): Promise<IndexFiles> {
    const given = indexSizes(directory, options)
    const path = resolve(directory)
    const own = await openPart('openIndex', path, path, 'index', options, given)
    return new IndexFiles(path, binding.indexSizes(own.native), (...query) => binding.findKey(own.native, ...query), own)
  }

  /** @internal */
  static ofStore(native: NativeStore, { root, indexSlots, indexEntries }: NativeInfo): IndexFiles {
    return new IndexFiles(join(root, 'index'), [indexSlots, indexEntries], (...query) => binding.queryIndex(native, ...query))
  }

  private constructor(directory: string, [slots, entries]: [number, number], query: Query, own?: OpenPart) {
    super(own)
    this.#directory = directory
    this.#query = query
    this.slots = slots
    this.entries = entries
  }

  /** Log offsets of the messages of a topic with a key (or unique id) whose store time lies in [begin, end], newest first. */
  query(topic: string, key: string, query: IndexQuery = {}): number[] {
    return this.#query(...queryOf(topic, key, query))
  }

  /** Each file, the oldest first, opened for reading by itself: the caller's to close. */
  async files(): Promise<IndexFile[]> {
    this.query('', '', { limit: 0 }) // says so when it is closed
    const names = await readdir(this.#directory).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return []
      throw storeError('IO_ERROR', { reason: error.message, path: this.#directory, cause: error })
    })
    const { slots, entries } = this
    const open = (name: string) => IndexFile.open(join(this.#directory, name), { slots, entries })
    const opened = await Promise.allSettled(
      names
        .filter((name) => /^\d+$/.test(name))
        .sort()
        .map(open),
    )
    const refused = opened.find((one) => one.status === 'rejected')
    const files = opened.flatMap((one) => (one.status === 'fulfilled' ? one.value : []))
    if (refused === undefined) return files
    await Promise.all(files.map((file) => file.close()))
    throw refused.reason
  }

  /** Puts an entry into the newest file, or a new one when it is full. Log offsets and store times rise. */
  put(topic: string, key: string, logOffset: number, storeTimestamp: number): void {
    binding.putKey(this.writable(), topic, key, logOffset, storeTimestamp)
  }
}

/** Holds the index against the log: the entries of all files, one after the other, are the keys of the log's records; and each file's chains. */
import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import { int32 } from '../format/bytes.js'
import {
  INDEX_ENTRY_BYTES,
  INDEX_HEADER_BYTES,
  INDEX_SLOT_BYTES,
  type IndexEntry,
  type IndexHeader,
  type IndexSizes,
  indexFileBytes,
  indexSizesFromLength,
  readIndexEntry,
  readIndexHeader,
} from '../format/index-file.js'
import { namesIn, readPiece } from './files.js'
import type { Findings } from './findings.js'

const WINDOW_ENTRIES = 4096
const SLOTS_AT_ONCE = 65536
const NO_SLOTS: IndexSizes = { slots: 0, entries: WINDOW_ENTRIES }

export class IndexChecks {
  entries = 0
  readonly #files: IndexWalk[]
  readonly #findings: Findings
  readonly #logMin: number
  /** Log offsets of the records that the index is expected to know. */
  readonly #begin: number
  readonly #end: number
  #at = 0

  private constructor(files: IndexWalk[], findings: Findings, logMin: number) {
    this.#files = files
    this.#findings = findings
    this.#logMin = logMin
    const used = files.filter(({ header }) => header.nextEntry > 1)
    this.#begin = used[0]?.header.beginLogOffset ?? Number.POSITIVE_INFINITY
    this.#end = used.at(-1)?.header.endLogOffset ?? -1
  }

  static async open(root: string, sizes: IndexSizes | undefined, findings: Findings, logMin: number): Promise<IndexChecks> {
    const files: IndexWalk[] = []
    for (const name of await namesIn(join(root, 'index'))) {
      if (!/^\d+$/.test(name)) continue // RocketMQ passes it over too
      const path = join('index', name)
      const info = await lstat(join(root, path))
      const of = sizes ?? indexSizesFromLength(info.size)
      const found = (problem: string) => findings.add({ part: 'index', path, problem })
      if (!info.isFile()) found(info.isSymbolicLink() ? 'is a symbolic link' : 'is no file')
      else if (info.size === 0) found('has no length: a program died while making it')
      else if (of === undefined || indexFileBytes(of) !== info.size) found(`has ${info.size} bytes, which no sizes that are known make`)
      else {
        const walk = new IndexWalk(join(root, path), path, of, findings)
        if (walk.sound) files.push(walk)
      }
    }
    return new IndexChecks(files, findings, logMin)
  }

  /** The key hashes of a record, in the order in which they are put. */
  expect(keyHashes: readonly number[], logOffset: number, storeTimestamp: number): void {
    for (const keyHash of keyHashes) {
      this.#pass(logOffset)
      const walk = this.#files[this.#at]
      const entry = walk?.peek()
      if (walk !== undefined && entry !== undefined && entry.logOffset === logOffset && entry.keyHash === keyHash) {
        walk.take(storeTimestamp)
        this.entries++
      } else if (logOffset >= this.#begin && logOffset <= this.#end) {
        this.#findings.add({ part: 'index', path: 'index', logOffset, problem: `a key of the record (hash ${keyHash}) is missing` })
      }
    }
  }

  finish(logEnd: number): void {
    this.#pass(Number.POSITIVE_INFINITY, logEnd)
  }

  /** Entries that no record below `logOffset` has asked for: they may only point to what is gone. */
  #pass(logOffset: number, logEnd = Number.POSITIVE_INFINITY): void {
    for (; this.#at < this.#files.length; this.#at++) {
      const walk = this.#files[this.#at]!
      for (let entry = walk.peek(); entry !== undefined; entry = walk.peek()) {
        if (entry.logOffset >= logOffset) return
        if (entry.logOffset >= this.#logMin && !this.#findings.isUnread(entry.logOffset)) {
          const problem = entry.logOffset >= logEnd ? 'points behind the end of the log' : 'points to no record with its key'
          walk.found(`entry ${walk.number} ${problem}`, entry.logOffset)
        }
        walk.take()
      }
      walk.finish()
    }
  }
}

/** One file, entry by entry. Its chains are followed by making them again. */
class IndexWalk {
  readonly header: IndexHeader
  readonly sound: boolean
  number = 1
  readonly #path: string
  readonly #name: string
  readonly #sizes: IndexSizes
  readonly #findings: Findings
  #slots: Int32Array | undefined
  #usedSlots = 0
  #window: Buffer = Buffer.alloc(0)
  #windowFrom = 0
  #last = -1

  constructor(path: string, name: string, sizes: IndexSizes, findings: Findings) {
    this.#path = path
    this.#name = name
    this.#sizes = sizes
    this.#findings = findings
    this.header = readIndexHeader(readPiece(path, 0, INDEX_HEADER_BYTES))
    const { nextEntry, slotCount, beginLogOffset, endLogOffset } = this.header
    this.sound = nextEntry <= sizes.entries && slotCount >= 0 && slotCount <= sizes.entries && beginLogOffset >= 0 && endLogOffset >= 0
    if (!this.sound) this.found('has a header that no index file can have')
  }

  peek(): IndexEntry | undefined {
    if (this.number >= this.header.nextEntry) return undefined
    let index = this.number - this.#windowFrom
    if (index < 0 || index * INDEX_ENTRY_BYTES >= this.#window.length - INDEX_HEADER_BYTES) {
      const { slots } = this.#sizes
      const count = Math.min(WINDOW_ENTRIES, this.header.nextEntry - this.number)
      const at = INDEX_HEADER_BYTES + slots * INDEX_SLOT_BYTES + this.number * INDEX_ENTRY_BYTES
      this.#window = Buffer.concat([Buffer.alloc(INDEX_HEADER_BYTES), readPiece(this.#path, at, count * INDEX_ENTRY_BYTES)])
      this.#windowFrom = this.number
      index = 0
    }
    return readIndexEntry(this.#window, NO_SLOTS, index)
  }

  /** Goes on behind the entry, which belongs to a record of that store time, where one is known. */
  take(storeTimestamp?: number): void {
    const entry = this.peek()!
    const { keyHash, logOffset, seconds, previous } = entry
    const slot = Math.abs(keyHash) % this.#sizes.slots
    this.#slots ??= new Int32Array(this.#sizes.slots)
    const before = this.#slots[slot]!
    if (previous !== before) this.found(`entry ${this.number} follows entry ${previous} of its slot, not ${before}`, logOffset)
    if (before === 0) this.#usedSlots++
    this.#slots[slot] = this.number
    if (logOffset < this.#last) this.found(`entry ${this.number} points before the entry before it`, logOffset)
    this.#last = Math.max(this.#last, logOffset)
    const { beginTimestamp } = this.header
    // RocketMQ counts the first entry's seconds from the end of the file before.
    if (storeTimestamp !== undefined && this.number > 1 && beginTimestamp > 0) {
      const right = Math.min(0x7fffffff, Math.max(0, Math.trunc((storeTimestamp - beginTimestamp) / 1000)))
      if (seconds !== right) this.found(`entry ${this.number} says ${seconds} s, its record was stored at ${right} s`, logOffset)
    }
    this.number++
  }

  finish(): void {
    const { nextEntry, slotCount, endLogOffset } = this.header
    if (nextEntry <= 1) return
    if (this.#last !== endLogOffset) this.found(`says that it ends with log offset ${endLogOffset}; its last entry has ${this.#last}`)
    if (this.#usedSlots !== slotCount) this.found(`says that ${slotCount} slots are used; ${this.#usedSlots} are`)
    const { slots } = this.#sizes
    for (let from = 0; from < slots; from += SLOTS_AT_ONCE) {
      const count = Math.min(SLOTS_AT_ONCE, slots - from)
      const bytes = readPiece(this.#path, INDEX_HEADER_BYTES + from * INDEX_SLOT_BYTES, count * INDEX_SLOT_BYTES)
      for (let i = 0; i < count; i++) {
        const newest = this.#slots?.[from + i] ?? 0
        if (int32(bytes, i * INDEX_SLOT_BYTES) !== newest)
          this.found(`slot ${from + i} begins with entry ${int32(bytes, i * INDEX_SLOT_BYTES)}, not ${newest}`)
      }
    }
    this.#slots = undefined
  }

  found(problem: string, logOffset?: number): void {
    this.#findings.add({ part: 'index', path: this.#name, problem, ...(logOffset !== undefined && { logOffset }) })
  }
}

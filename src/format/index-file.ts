/**
 * An index file: a hash table from keys to log offsets, with chains through its entries.
 *
 *   ├ header 40 ┼ slots: 4 each ┼ entries: 20 each ┤
 *
 *   header:  begin time 8, end time 8, begin log offset 8, end log offset 8, used slots 4, next entry's number 4
 *   slot:    number of its newest entry, 0 when empty
 *   entry:   key hash 4, log offset 8, seconds since the begin time 4, number of the entry before it in the chain 4 (0: none)
 *
 * Entries are numbered from 1. Only hashes are kept: a message that is found may have another key.
 */
import { int32, int64 } from './bytes.js'
import { javaHash } from './java-string.js'

export const INDEX_HEADER_BYTES = 40
export const INDEX_SLOT_BYTES = 4
export const INDEX_ENTRY_BYTES = 20

/** RocketMQ's default has four entries to a slot; with that ratio the length of a file tells both numbers. */
const ENTRIES_A_SLOT = 4

export interface IndexSizes {
  /** maxHashSlotNum. */
  readonly slots: number
  /** maxIndexNum; entry 0 is never used. */
  readonly entries: number
}

export interface IndexHeader {
  readonly beginTimestamp: number
  readonly endTimestamp: number
  readonly beginLogOffset: number
  readonly endLogOffset: number
  /** How often a slot was empty when an entry was put. */
  readonly slotCount: number
  /** Number that the next entry gets; 1 in an empty file. */
  readonly nextEntry: number
}

export interface IndexEntry {
  readonly keyHash: number
  readonly logOffset: number
  /** Seconds between the file's begin time and the message's store time. */
  readonly seconds: number
  /** Number of the entry before it in its slot's chain; 0: it is the first. */
  readonly previous: number
}

export function indexFileBytes({ slots, entries }: IndexSizes): number {
  return INDEX_HEADER_BYTES + slots * INDEX_SLOT_BYTES + entries * INDEX_ENTRY_BYTES
}

/** The sizes of a file of this length, if it has four entries to a slot. */
export function indexSizesFromLength(bytes: number): IndexSizes | undefined {
  const slots = (bytes - INDEX_HEADER_BYTES) / (INDEX_SLOT_BYTES + ENTRIES_A_SLOT * INDEX_ENTRY_BYTES)
  return Number.isInteger(slots) && slots > 0 ? { slots, entries: slots * ENTRIES_A_SLOT } : undefined
}

/** Hash of a key of a topic: 0 to 2^31 - 1. */
export function indexKeyHash(topic: string, key: string): number {
  const hash = Math.abs(javaHash(`${topic}#${key}`))
  // The one hash whose absolute value Java cannot hold.
  return hash > 0x7fffffff ? 0 : hash
}

export function readIndexHeader(bytes: Uint8Array): IndexHeader {
  return {
    beginTimestamp: int64(bytes, 0),
    endTimestamp: int64(bytes, 8),
    beginLogOffset: int64(bytes, 16),
    endLogOffset: int64(bytes, 24),
    slotCount: int32(bytes, 32),
    nextEntry: Math.max(1, int32(bytes, 36)),
  }
}

export function readIndexEntry(bytes: Uint8Array, { slots }: IndexSizes, number: number): IndexEntry {
  const at = INDEX_HEADER_BYTES + slots * INDEX_SLOT_BYTES + number * INDEX_ENTRY_BYTES
  return { keyHash: int32(bytes, at), logOffset: int64(bytes, at + 4), seconds: int32(bytes, at + 12), previous: int32(bytes, at + 16) }
}

/** The entries of a hash's chain, newest first. A chain only goes to lower numbers: where it does not, it is damaged and ends. */
export function* indexChain(bytes: Uint8Array, sizes: IndexSizes, keyHash: number): Generator<IndexEntry, void, void> {
  const { nextEntry } = readIndexHeader(bytes)
  let limit = Math.min(nextEntry, sizes.entries)
  let number = int32(bytes, INDEX_HEADER_BYTES + (keyHash % sizes.slots) * INDEX_SLOT_BYTES)
  while (number > 0 && number < limit) {
    const entry = readIndexEntry(bytes, sizes, number)
    if (entry.keyHash === keyHash) yield entry
    limit = number
    number = entry.previous
  }
}

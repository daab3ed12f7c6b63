/**
 * A unit of a consume queue: where a message of the queue lies in the log. The n-th unit is at byte 20 n of the queue.
 *
 *   byte 0            8        12            20
 *        ├ log offset ┼ size   ┼ tag code    ┤   big-endian; a unit of size 0 was never written
 *
 * The tag code is the tag's 32-bit hash, sign-extended; the delivery time of a delayed message; or the address of an extension unit.
 */
import { bigInt64, int32, int64 } from './bytes.js'

export const UNIT_BYTES = 20

export interface QueueUnit {
  readonly logOffset: number
  /** Bytes of the record. */
  readonly size: number
  readonly tagCode: bigint
}

/** Below every tag hash: from here down a tag code is an extension unit's address. */
const MAX_EXTENSION_ADDRESS = -0x80000001n
const EXTENSION_ADDRESS_ZERO = -(1n << 63n)
const FILLER_SIZE = 0x7fffffff

export function readQueueUnit(bytes: Uint8Array, at = 0): QueueUnit {
  return { logOffset: int64(bytes, at), size: int32(bytes, at + 8), tagCode: bigInt64(bytes, at + 12) }
}

/** The queue ends before the first unit that was not written. */
export function isWritten({ logOffset, size }: QueueUnit): boolean {
  return logOffset >= 0 && size > 0
}

/** Fills a queue file up to the queue's first message, where that does not begin the file: no message, though RocketMQ's scans take it for one. */
export function isFiller({ logOffset, size }: QueueUnit): boolean {
  return logOffset === 0 && size === FILLER_SIZE
}

/** Byte of the queue's extension that a tag code points to; undefined when the code is a hash or a time. */
export function extensionOffset(tagCode: bigint): number | undefined {
  return tagCode <= MAX_EXTENSION_ADDRESS ? Number(tagCode - EXTENSION_ADDRESS_ZERO) : undefined
}

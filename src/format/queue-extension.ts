/**
 * A unit of a consume queue's extension (`consumequeue_ext/`, off by default): the real tag code and the bits of SQL filters that a message passes.
 *
 *   byte 0      2            10           18            20
 *        ├ size ┼ tag code   ┼ store time ┼ bits length ┼ filter bits ┤   big-endian; size is 20 + bits length, -1 or 0 ends a file
 */
import { bigInt64, int16, int64 } from './bytes.js'

export const EXTENSION_HEAD_BYTES = 20

export interface ExtensionUnit {
  readonly size: number
  readonly tagCode: bigint
  readonly storeTimestamp: number
  /** Bit i is byte i / 8, mask 1 << i % 8; undefined where the message was stored without. */
  readonly filterBits: Uint8Array | undefined
}

/** The unit at `at`; undefined where the file's units end, or where no whole unit lies. */
export function readExtensionUnit(bytes: Uint8Array, at = 0): ExtensionUnit | undefined {
  if (at + EXTENSION_HEAD_BYTES > bytes.length) return undefined
  const size = int16(bytes, at)
  const bitsLength = int16(bytes, at + 18)
  if (bitsLength < 0 || size !== EXTENSION_HEAD_BYTES + bitsLength || at + size > bytes.length) return undefined
  return {
    size,
    tagCode: bigInt64(bytes, at + 2),
    storeTimestamp: int64(bytes, at + 10),
    filterBits: bitsLength === 0 ? undefined : bytes.subarray(at + EXTENSION_HEAD_BYTES, at + size),
  }
}

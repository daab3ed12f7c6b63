/**
 * The files that millrace has beside RocketMQ's in `millrace/`, written by the engine (native/core/checkpoint.cc).
 *
 * `position`, how far everything is on disk: two slots in a file of 4,608 bytes, at 0 and 4096.
 *
 *   byte 0       8          16       24           32       36   40                   64    68
 *        ├ magic ┼ sequence ┼ synced ┼ dispatched ┼ closed ┼ 0  ┼ checkpoint's three ┼ CRC ┤ zeros to 512   big-endian
 *
 * `forgotten`, the topics that were deleted: magic, count, of each the log offset below which nobody sees its messages, and a CRC of everything at the end.
 *
 * `queues`, what each queue held at *dispatched*: magic, *dispatched*, …, and a CRC of everything at the end.
 */
import { crc32 } from 'node:zlib'
import { bigInt64, int32, int64 } from './bytes.js'

export const POSITION_BYTES = 4608
export const POSITION_SLOTS: readonly number[] = [0, 4096]
const SLOT_BYTES = 512
const POSITION_MAGIC = 0x4d524543504f5331n
const CRC_AT = 64

const TABLE_MAGIC = 0x4d52454351554532n
const TABLE_HEAD_BYTES = 40
const FORGOTTEN_MAGIC = 0x4d5252464f524731n
const FORGOTTEN_HEAD_BYTES = 16

export interface Position {
  readonly sequence: number
  /** Log offset: the log below is on disk. */
  readonly synced: number
  /** Log offset: queues and index hold everything below, on disk. */
  readonly dispatched: number
  /** Of the `checkpoint` that it goes with. */
  readonly physicMsgTimestamp: number
  readonly logicsMsgTimestamp: number
  readonly indexMsgTimestamp: number
}

/** The slot at `at`: 'empty' where nothing was written, 'damaged' where no whole one lies. */
export function readPosition(bytes: Uint8Array, at: number): Position | 'empty' | 'damaged' {
  const slot = bytes.subarray(at, at + SLOT_BYTES)
  if (slot.every((byte) => byte === 0)) return 'empty'
  const rest = slot.subarray(CRC_AT + 4)
  if (
    bigInt64(slot, 0) !== POSITION_MAGIC ||
    int32(slot, CRC_AT) !== (crc32(slot.subarray(0, CRC_AT)) | 0) ||
    rest.some((byte) => byte !== 0)
  )
    return 'damaged'
  return {
    sequence: int64(slot, 8),
    synced: int64(slot, 16),
    dispatched: int64(slot, 24),
    physicMsgTimestamp: int64(slot, 40),
    logicsMsgTimestamp: int64(slot, 48),
    indexMsgTimestamp: int64(slot, 56),
  }
}

/** Whether it is a whole table of queues. */
export function isQueueTable(bytes: Uint8Array): boolean {
  return isWhole(bytes, TABLE_MAGIC, TABLE_HEAD_BYTES)
}

/** Whether it is a whole table of topics that were deleted. */
export function isForgottenTable(bytes: Uint8Array): boolean {
  return isWhole(bytes, FORGOTTEN_MAGIC, FORGOTTEN_HEAD_BYTES)
}

function isWhole(bytes: Uint8Array, magic: bigint, headBytes: number): boolean {
  if (bytes.length < headBytes + 4 || bigInt64(bytes, 0) !== magic) return false
  const end = bytes.length - 4
  return int32(bytes, end) === (crc32(bytes.subarray(0, end)) | 0)
}

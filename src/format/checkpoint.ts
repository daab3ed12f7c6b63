/**
 * The file `checkpoint`: up to which store time what is known to be on disk. 4,096 bytes, the first 40 in use, big-endian.
 *
 *   byte 0            8             16           24                     32                   40
 *        ├ log time   ┼ queues time ┼ index time ┼ master flushed (5.x) ┼ confirmed (5.x)    ┤ zeros
 */
import { int64 } from './bytes.js'

export const CHECKPOINT_BYTES = 4096
/** How far before the earlier of the two times recovery begins, as in RocketMQ. */
const MARGIN_MS = 3000

/** RocketMQ's own names; times in Unix milliseconds. */
export interface Checkpoint {
  /** Store time of the newest record that a thorough flush of the log has covered; a clean close does not move it. */
  readonly physicMsgTimestamp: number
  /** Store time of the newest message whose queue unit was flushed. */
  readonly logicsMsgTimestamp: number
  /** End time of the newest full index file. */
  readonly indexMsgTimestamp: number
  /** Log offset; RocketMQ 5 only, else 0. */
  readonly masterFlushedOffset: number
  /** Log offset; RocketMQ 5 only, else 0. */
  readonly confirmPhyOffset: number
}

export function readCheckpoint(bytes: Uint8Array): Checkpoint {
  return {
    physicMsgTimestamp: int64(bytes, 0),
    logicsMsgTimestamp: int64(bytes, 8),
    indexMsgTimestamp: int64(bytes, 16),
    masterFlushedOffset: int64(bytes, 24),
    confirmPhyOffset: int64(bytes, 32),
  }
}

/** Everything stored up to this time is in the log and its queues. */
export function minTimestamp({ physicMsgTimestamp, logicsMsgTimestamp }: Checkpoint): number {
  return Math.max(0, Math.min(physicMsgTimestamp, logicsMsgTimestamp) - MARGIN_MS)
}

/** The same with the index. */
export function minTimestampWithIndex(checkpoint: Checkpoint): number {
  return Math.min(minTimestamp(checkpoint), checkpoint.indexMsgTimestamp)
}

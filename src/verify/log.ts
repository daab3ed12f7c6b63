/** Walks the commit log from its files, record by record, and finds where its chain breaks. */
import { open } from 'node:fs/promises'
import { int32 } from '../format/bytes.js'
import { BLANK_BYTES, checkRecord, foundText, SIZE_AT } from '../format/record.js'
import type { NumberedFile } from './files.js'
import type { Findings } from './findings.js'

const PIECE_BYTES = 4 << 20
/** A record that says it is larger is not believed: it would have to be in memory whole. */
const MAX_RECORD_BYTES = 256 << 20

export interface LogRecord {
  bytes: Buffer
  at: number
  size: number
  logOffset: number
}

export interface LogWalk {
  /** Where the log ends: behind the last record that was read. */
  end: number
}

/** Every record that can be read, in order. Behind damage it goes on with the next segment. */
export async function* walkLog(segments: readonly NumberedFile[], findings: Findings, walk: LogWalk): AsyncGenerator<LogRecord> {
  let ended = false
  for (const segment of segments) {
    await using file = await open(segment.path)
    let buffer = Buffer.allocUnsafe(Math.min(PIECE_BYTES, segment.bytes))
    let start = 0
    let filled = 0
    /** The bytes of the segment from `at` on are in the buffer, `wanted` of them or all that there are. */
    const load = async (at: number, wanted: number): Promise<void> => {
      if (at >= start && at + wanted <= start + filled) return
      if (wanted > buffer.length) {
        const larger = Buffer.allocUnsafe(wanted)
        buffer.copy(larger, 0, at - start, filled)
        buffer = larger
      } else {
        buffer.copy(buffer, 0, at - start, filled)
      }
      filled = Math.max(0, filled - (at - start))
      start = at
      const end = Math.min(buffer.length, segment.bytes - start)
      while (filled < end) {
        const { bytesRead } = await file.read(buffer, filled, end - filled, start + filled)
        if (bytesRead === 0) break
        filled += bytesRead
      }
    }

    const path = segment.shown
    for (let at = 0; at < segment.bytes; ) {
      const logOffset = segment.from + at
      const left = segment.bytes - at
      await load(at, Math.min(left, BLANK_BYTES))
      const claimed = left >= BLANK_BYTES ? int32(buffer, at - start + SIZE_AT) : 0
      if (claimed > 0 && claimed <= Math.min(left, MAX_RECORD_BYTES)) await load(at, claimed)
      const index = at - start
      const { found, size } = checkRecord(buffer, index, { end: index + Math.min(left, Math.max(filled - index, BLANK_BYTES)), logOffset })
      if (found === 'record' && !ended) {
        walk.end = logOffset + size
        yield { bytes: buffer, at: index, size, logOffset }
        at += size
        continue
      }
      if (found === 'blank' && !ended) {
        walk.end = Math.max(walk.end, logOffset)
        break
      }
      if (found === 'end' || ended) {
        ended = true
        const stray = await firstByte(load, (from) => buffer.subarray(from - start, filled), at, segment.bytes)
        if (stray >= 0) {
          findings.add({ part: 'log', path, logOffset, problem: `the log ends here, and at ${segment.from + stray} lies something` })
          findings.unread.push({ from: logOffset, to: segment.from + segment.bytes })
          ended = false // the next segment may go on
        }
        break
      }
      findings.add({ part: 'log', path, logOffset, problem: `here lies ${foundText(found)}` })
      findings.unread.push({ from: logOffset, to: segment.from + segment.bytes })
      break
    }
  }
}

/** Where the first byte from `at` on lies that is not zero, in the segment; -1: nowhere. */
async function firstByte(
  load: (at: number, wanted: number) => Promise<void>,
  loaded: (at: number) => Buffer,
  at: number,
  end: number,
): Promise<number> {
  while (at < end) {
    await load(at, Math.min(end - at, PIECE_BYTES))
    const bytes = loaded(at)
    if (bytes.length === 0) return -1
    if (!bytes.equals(ZEROS.subarray(0, bytes.length))) return at + bytes.findIndex((byte) => byte !== 0)
    at += bytes.length
  }
  return -1
}

const ZEROS = Buffer.alloc(PIECE_BYTES)

/** Reads the files of a store that nobody has open, with src/format alone: what Java wrote, before the core has touched it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkRecord, parseFileName, type QueueUnit, type RecordFound, readQueueUnit, UNIT_BYTES } from '#src/format/index.js'

export interface FoundRecord {
  readonly logOffset: number
  /** The segment, and where in it the record begins. */
  readonly bytes: Buffer
  readonly at: number
}

export interface FoundLog {
  readonly minOffset: number
  readonly maxOffset: number
  readonly records: readonly FoundRecord[]
  /** What ended the walk, and where. */
  readonly end: RecordFound | undefined
  /** Bytes that each blank record takes. */
  readonly blanks: readonly number[]
}

/** Every record of the log, up to the first thing that is none. */
export function readLog(dir: string): FoundLog {
  const records: FoundRecord[] = []
  const blanks: number[] = []
  const segments = filesOf(join(dir, 'commitlog'))
  const minOffset = segments[0]?.from ?? 0
  let maxOffset = minOffset
  for (const { from, bytes } of segments) {
    for (let at = 0; at < bytes.length; ) {
      const { found, size } = checkRecord(bytes, at, { logOffset: from + at })
      if (found === 'blank') blanks.push(size)
      else if (found !== 'record') return { minOffset, maxOffset, records, end: found, blanks }
      else {
        records.push({ logOffset: from + at, bytes, at })
        maxOffset = from + at + size
      }
      at += size
    }
  }
  return { minOffset, maxOffset, records, end: undefined, blanks }
}

export interface FoundQueue {
  readonly topic: string
  readonly queueId: number
  /** Queue offset of the first unit. */
  readonly from: number
  readonly units: readonly QueueUnit[]
}

/** The units of each queue up to the first that was not written. */
export function readQueues(dir: string): FoundQueue[] {
  const folder = join(dir, 'consumequeue')
  const queues: FoundQueue[] = []
  for (const topic of readdirSync(folder)) {
    for (const queueId of readdirSync(join(folder, topic))) {
      const files = filesOf(join(folder, topic, queueId))
      const bytes = Buffer.concat(files.map((file) => file.bytes))
      const units: QueueUnit[] = []
      for (let at = 0; at < bytes.length; at += UNIT_BYTES) {
        const unit = readQueueUnit(bytes, at)
        if (unit.size === 0) break
        units.push(unit)
      }
      queues.push({ topic, queueId: Number(queueId), from: (files[0]?.from ?? 0) / UNIT_BYTES, units })
    }
  }
  return queues
}

/** All bytes of a queue's extension. */
export function readExtension(dir: string, topic: string, queueId: number): { from: number; bytes: Buffer } {
  const files = filesOf(join(dir, 'consumequeue_ext', topic, String(queueId)))
  return { from: files[0]?.from ?? 0, bytes: Buffer.concat(files.map((file) => file.bytes)) }
}

/** In the order of their names, which is that of their making. */
export function readIndexFiles(dir: string): { name: string; bytes: Buffer }[] {
  const folder = join(dir, 'index')
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .sort()
    .map((name) => ({ name, bytes: readFileSync(join(folder, name)) }))
}

function filesOf(folder: string): { from: number; bytes: Buffer }[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .sort()
    .map((name) => ({ from: parseFileName(name) ?? Number.NaN, bytes: readFileSync(join(folder, name)) }))
}

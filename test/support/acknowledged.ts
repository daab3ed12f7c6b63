/** Messages that a store said it had taken, and which of them another reading of it lacks. */
import { readFile } from 'node:fs/promises'
import type { Found, QueueRow } from './contents.js'

export interface Acknowledged {
  topic: string
  queueId: number
  queueOffset: number
  logOffset: number
  /** Distinct for each message. */
  keys: string
}

/** What a writer has noted; its last line may be torn. */
export async function readNotes(file: string): Promise<Acknowledged[]> {
  const text = await readFile(file, 'utf8').catch(() => '')
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line))
}

/** The acknowledged messages that are not where they were promised to be: in the log, and in their queue at their offset. */
export function lost(
  acknowledged: readonly Acknowledged[],
  records: readonly Found[],
  queues: readonly QueueRow[],
): { message: Acknowledged; why: string }[] {
  const byLogOffset = new Map(records.map((record) => [record.logOffset, record]))
  const byQueue = new Map(queues.map((queue) => [`${queue.topic} ${queue.queueId}`, queue]))
  const missing: { message: Acknowledged; why: string }[] = []
  for (const message of acknowledged) {
    const record = byLogOffset.get(message.logOffset)
    const queue = byQueue.get(`${message.topic} ${message.queueId}`)
    const unit = queue?.units[message.queueOffset - queue.minOffset]
    if (!record) missing.push({ message, why: 'no record at its log offset' })
    else if (
      record.keys !== message.keys ||
      record.topic !== message.topic ||
      record.queueId !== message.queueId ||
      record.queueOffset !== message.queueOffset
    ) {
      missing.push({ message, why: `another record: ${JSON.stringify(record)}` })
    } else if (!unit) missing.push({ message, why: `its queue ends at ${queue?.maxOffset}` })
    else if (unit[0] !== message.logOffset) missing.push({ message, why: `its unit points to ${unit[0]}` })
  }
  return missing
}

/** For a test's report: how many, and the first. */
export function summary<T>(list: readonly T[]): { count: number; first?: T } {
  return list.length > 0 ? { count: list.length, first: list[0] as T } : { count: 0 }
}

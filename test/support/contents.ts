/** What a store holds, told in brief: its records and its queues as plain values, which a Java store fills in the same way. */
import type { MessageStore } from '#src/index.js'

/** Enough of a record to find it by. */
export interface Found {
  topic: string
  queueId: number
  queueOffset: number
  logOffset: number
  keys: string | null
}

/** Log offset, size, and the tag code in decimal. */
export type Unit = [logOffset: number, size: number, tagCode: string]

export interface QueueRow {
  topic: string
  queueId: number
  minOffset: number
  maxOffset: number
  units: Unit[]
}

/** Every record, as millrace reads it. */
export async function foundOf(store: MessageStore): Promise<Found[]> {
  const found: Found[] = []
  for await (const { topic, queueId, queueOffset, logOffset, properties } of store.records()) {
    found.push({ topic, queueId, queueOffset, logOffset, keys: properties.KEYS ?? null })
  }
  return found
}

/** Every queue with its units, as millrace reads them. */
export function queuesOf(store: MessageStore): QueueRow[] {
  const rows: QueueRow[] = []
  for (const { topic, queueId, minOffset, maxOffset } of store.queues()) {
    const units: Unit[] = []
    for (const { logOffset, size, tagCode } of store.consumeQueue(topic, queueId).units()) units.push([logOffset, size, `${tagCode}`])
    rows.push({ topic, queueId, minOffset, maxOffset, units })
  }
  return rows.sort((a, b) => (`${a.topic} ${a.queueId}` < `${b.topic} ${b.queueId}` ? -1 : 1))
}

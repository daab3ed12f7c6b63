/**
 * Further queues of a message (multi-dispatch): `INNER_MULTI_DISPATCH` names them and `INNER_MULTI_QUEUE_OFFSET` has the message's number in each, both
 * joined by commas. A record whose two lists differ in length is in no further queue.
 */

const LIGHT_PREFIX = '%LMQ%'

export interface SideQueue {
  topic: string
  queueOffset: number
}

/** The further queues that a record's properties tell of, in their order; one that is named twice is there twice. */
export function sideQueues(properties: Readonly<Record<string, string>>): SideQueue[] {
  const { INNER_MULTI_DISPATCH: names, INNER_MULTI_QUEUE_OFFSET: offsets } = properties
  if (names === undefined || offsets === undefined) return []
  const topics = parts(names)
  const numbers = parts(offsets)
  if (topics.length !== numbers.length || !numbers.every((number) => /^\d+$/.test(number))) return []
  return topics.map((topic, i) => ({ topic, queueOffset: Number(numbers[i]) }))
}

/** Its queue id: the message's own, or 0 for an LMQ queue of a store with enableLmq. */
export function sideQueueId(topic: string, queueId: number, lmq: boolean): number {
  return lmq && topic.startsWith(LIGHT_PREFIX) ? 0 : queueId
}

/** As Java splits: empty parts at the end are none. */
function parts(text: string): string[] {
  return text.replace(/,+$/, '').split(',')
}

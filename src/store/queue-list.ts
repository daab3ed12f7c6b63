/** The queues of a store, with their bounds. */
import type { NativeStore } from '../native/binding.js'
import { binding } from '../native/binding.js'
import type { QueueInfo } from './types.js'

/** @internal Of one topic, or of all. */
export function listQueues(store: NativeStore, ofTopic?: string): QueueInfo[] {
  const flat = binding.listQueues(store)
  const queues: QueueInfo[] = []
  for (let i = 0; i < flat.length; i += 4) {
    const [topic, queueId, minOffset, maxOffset] = flat.slice(i, i + 4) as [string, number, number, number]
    if (ofTopic === undefined || topic === ofTopic) queues.push({ topic, queueId, minOffset, maxOffset })
  }
  return queues
}

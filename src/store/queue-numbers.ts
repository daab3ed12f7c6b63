/** The small numbers by which the core knows queues: asked for once, then looked up here. Bounded: beyond the limit the memory begins anew. */
import { storeError } from '../errors.js'
import type { NativeStore } from '../native/binding.js'
import { binding } from '../native/binding.js'

const MAX_KNOWN_TOPICS = 4096
const MAX_QUEUE_ID = 0x7fffffff

export class QueueNumbers {
  readonly #store: NativeStore
  readonly #topics = new Map<string, number[]>()
  #lastTopic = ''
  #lastQueues: number[] = []

  constructor(store: NativeStore) {
    this.#store = store
  }

  /** The queue's number; unless `make`, -1 for one that does not exist, -2 for one whose topic is no name. Throws for what can't be a queue. */
  of(topic: string, queueId: number, make: boolean): number {
    const known = topic === this.#lastTopic ? this.#lastQueues : this.#topics.get(topic)
    // An array knows more than its numbers: 'length'.
    const number = typeof queueId === 'number' ? known?.[queueId] : undefined
    if (number === undefined) return this.#ask(topic, queueId, make, known)
    this.#lastTopic = topic
    this.#lastQueues = known as number[]
    return number
  }

  #ask(topic: string, queueId: number, make: boolean, known: number[] | undefined): number {
    if (typeof topic !== 'string') throw storeError('INVALID_ARGUMENT', { what: 'topic', value: topic, allowed: 'a string' })
    if (!Number.isInteger(queueId) || queueId < 0 || queueId > MAX_QUEUE_ID)
      throw storeError('INVALID_ARGUMENT', { what: 'queueId', value: queueId, allowed: 'a whole number from 0 to 2147483647' })
    const number = binding.queue(this.#store, topic, queueId, make)
    if (number < 0) return number
    if (known === undefined && this.#topics.size >= MAX_KNOWN_TOPICS) this.#topics.clear()
    const queues = known ?? []
    queues[queueId] = number
    this.#topics.set(topic, queues)
    return number
  }
}

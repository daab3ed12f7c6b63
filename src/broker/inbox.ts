/**
 * How messages get into the store, whoever they come from: those that are to be delayed go to the queue of their level, and who waits for a queue hears of
 * what has arrived in it.
 */
import { delayLevel } from '../format/delay-level.js'
import { SCHEDULE_TOPIC } from '../format/tag-code.js'
import type { MessageStore } from '../store/message-store.js'
import type { AppendResult, MessageInput } from '../store/types.js'

/** Nothing before the flush policy's promise holds, unless `wait` is false. */
export interface PutOptions {
  wait?: boolean
}

export class Inbox {
  readonly #store: MessageStore
  readonly #delayLevels: number
  readonly #onArrival: (topic: string, queueId: number) => void

  constructor(store: MessageStore, delayLevels: number, onArrival: (topic: string, queueId: number) => void) {
    this.#store = store
    this.#delayLevels = delayLevels
    this.#onArrival = onArrival
  }

  /** A message as a client means it: its property DELAY counts. */
  put(message: MessageInput, options?: PutOptions): Promise<AppendResult> {
    return this.deliver(this.#delayed(message), options)
  }

  /** A message that goes where it says. */
  async deliver(message: MessageInput, options?: PutOptions): Promise<AppendResult> {
    const result = await this.#store.append(message, options)
    this.#onArrival(message.topic, message.queueId ?? 0)
    return result
  }

  /** All of one topic and queue. */
  async putBatch(messages: readonly MessageInput[], options?: PutOptions): Promise<AppendResult[]> {
    const results = await this.#store.appendBatch(messages, { ...options, atomic: true })
    const first = messages[0]
    if (first !== undefined) this.#onArrival(first.topic, first.queueId ?? 0)
    return results
  }

  #delayed(message: MessageInput): MessageInput {
    const given = message.properties?.DELAY
    const level = given === undefined ? 0 : delayLevel(given, this.#delayLevels)
    if (level === 0) return message
    const { topic, queueId = 0 } = message
    const properties = { ...message.properties, DELAY: String(level), REAL_TOPIC: topic, REAL_QID: String(queueId) }
    return { ...message, topic: SCHEDULE_TOPIC, queueId: level - 1, properties }
  }
}

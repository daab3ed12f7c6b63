/** Finding messages by key and by time. The core looks them up on the pool: neither index nor records need be in memory. */
import { storeError } from '../errors.js'
import type { NativeStore } from '../native/binding.js'
import { binding } from '../native/binding.js'
import { queryOf } from './index-file.js'
import { checkObject } from './part.js'
import type { QueueNumbers } from './queue-numbers.js'
import type { KeyQuery, TimeQuery, TimeRule, TimeSpan } from './types.js'

/** In the order of the core's TimeRule. */
const RULES: readonly TimeRule[] = ['lower', 'upper', 'nearest']

export class Finder {
  readonly #store: NativeStore
  readonly #queues: QueueNumbers
  readonly #readOnly: boolean

  constructor(store: NativeStore, queues: QueueNumbers, readOnly: boolean) {
    this.#store = store
    this.#queues = queues
    this.#readOnly = readOnly
  }

  /** Log offsets, newest first. */
  async byKey(query: KeyQuery): Promise<number[]> {
    checkObject('query', query)
    const asked = queryOf(query.topic, query.key, query)
    await this.#refresh()
    return binding.findMessages(this.#store, ...asked)
  }

  async offsetByTime(query: TimeQuery): Promise<number> {
    checkObject('query', query)
    const { topic, queueId, time, rule = 'lower' } = query
    if (!Number.isSafeInteger(time))
      throw storeError('INVALID_ARGUMENT', { what: 'time', value: time, allowed: 'a whole number of Unix milliseconds' })
    if (!RULES.includes(rule)) throw storeError('INVALID_ARGUMENT', { what: 'rule', value: rule, allowed: RULES.join(', ') })
    await this.#refresh()
    const queue = this.#queues.of(topic, queueId, false)
    return queue < 0 ? 0 : binding.offsetByTime(this.#store, queue, time, RULES.indexOf(rule))
  }

  async timeSpan(queue: { topic: string; queueId: number } | undefined): Promise<TimeSpan | undefined> {
    if (queue !== undefined) checkObject('queue', queue)
    await this.#refresh()
    const number = queue === undefined ? undefined : this.#queues.of(queue.topic, queue.queueId, false)
    if (number !== undefined && number < 0) return undefined
    const [earliest, latest] = await binding.timeSpan(this.#store, number)
    return earliest < 0 ? undefined : { earliest, latest }
  }

  /** Another process may have appended since. */
  async #refresh(): Promise<void> {
    if (this.#readOnly) await binding.refreshCold(this.#store)
  }
}

/** One queue of an open store: its bounds and its units. */
import type { QueueUnit } from '../format/queue-unit.js'
import { readQueueUnit, UNIT_BYTES } from '../format/queue-unit.js'
import type { NativeStore } from '../native/binding.js'
import { binding } from '../native/binding.js'
import type { QueueNumbers } from './queue-numbers.js'

const READ_UNITS = 800

export class ConsumeQueue {
  readonly topic: string
  readonly queueId: number
  readonly #native: NativeStore
  readonly #queues: QueueNumbers

  constructor(native: NativeStore, topic: string, queueId: number, queues: QueueNumbers) {
    this.#native = native
    this.topic = topic
    this.queueId = queueId
    this.#queues = queues
  }

  /** Offset of the first unit that points to a record that is still there. */
  get minOffset(): number {
    return this.#bounds()[0]
  }

  /** Offset that the next message gets. */
  get maxOffset(): number {
    return this.#bounds()[1]
  }

  /** The unit of a queue offset; undefined when there is none. */
  unit(queueOffset: number): QueueUnit | undefined {
    const number = this.#number()
    if (number < 0) return undefined
    const bytes = binding.readUnits(this.#native, number, queueOffset, 1)
    return bytes.length === UNIT_BYTES ? readQueueUnit(bytes, 0) : undefined
  }

  /** All units from an offset on. */
  *units(from = this.minOffset): IterableIterator<QueueUnit> {
    const number = this.#number()
    if (number < 0) return
    for (let offset = from; ; ) {
      const bytes = binding.readUnits(this.#native, number, offset, READ_UNITS)
      if (bytes.length === 0) return
      for (let at = 0; at < bytes.length; at += UNIT_BYTES) yield readQueueUnit(bytes, at)
      offset += bytes.length / UNIT_BYTES
    }
  }

  #number(): number {
    return this.#queues.of(this.topic, this.queueId, false)
  }

  #bounds(): [number, number] {
    const number = this.#number()
    return number < 0 ? [0, 0] : binding.bounds(this.#native, number)
  }
}

/** One queue, of an open store or alone: its bounds and its units. */
import { basename, dirname, join, resolve } from 'node:path'
import type { QueueUnit } from '../format/queue-unit.js'
import { readQueueUnit, UNIT_BYTES } from '../format/queue-unit.js'
import type { NativePart, NativeStore } from '../native/binding.js'
import { binding } from '../native/binding.js'
import type { CutOptions, OpenPart, PartOptions } from './part.js'
import { checkObject, checkPart, checkWhole, invalid, openPart, StorePart } from './part.js'
import type { QueueNumbers } from './queue-numbers.js'

const READ_UNITS = 800

export interface ConsumeQueueOptions extends PartOptions, CutOptions {
  /** Length of every file, a multiple of 20; found from the files where there are some, else 6,000,000. */
  fileBytes?: number
}

/** What a queue is read through. */
interface QueueSource {
  bounds(): [min: number, max: number]
  /** Encoded units, at most to the end of their file. */
  read(offset: number, count: number): Buffer
}

export class ConsumeQueue extends StorePart {
  readonly topic: string
  readonly queueId: number
  readonly #source: QueueSource

  /**
   * Opens a queue without a store around it: by its folder, whose last two names are topic and queue id, or by its store's. Alone it knows nothing of
   * the log: `minOffset` is its first unit, whether the record is still there or not, and `maxOffset` the first place that was not written.
   */
  static async open(
    where: string | { root: string; topic: string; queueId: number },
    options: ConsumeQueueOptions = {},
  ): Promise<ConsumeQueue> {
    const directory = typeof where === 'object' && where !== null ? folderOf(where) : where
    const { fileBytes } = checkPart(directory, options, { fileBytes: UNIT_BYTES })
    if (fileBytes !== undefined && fileBytes % UNIT_BYTES !== 0) throw invalid('fileBytes', fileBytes, 'a multiple of 20')
    const path = resolve(directory)
    const topic = basename(dirname(path))
    const queueId = Number(basename(path))
    if (!/^\d{1,10}$/.test(basename(path)) || queueId > 0x7fffffff)
      throw invalid('directory', directory, 'the folder of a queue, which ends with its topic and its number')
    const queues = dirname(dirname(path))
    const own = await openPart('openQueue', path, queues, 'consumequeue', options, { fileBytes, queues, topic, queueId })
    return new ConsumeQueue(topic, queueId, ownQueue(own.native), own)
  }

  /** @internal */
  static ofStore(native: NativeStore, topic: string, queueId: number, queues: QueueNumbers): ConsumeQueue {
    return new ConsumeQueue(topic, queueId, storeQueue(native, topic, queueId, queues))
  }

  private constructor(topic: string, queueId: number, source: QueueSource, own?: OpenPart) {
    super(own)
    this.topic = topic
    this.queueId = queueId
    this.#source = source
  }

  /** Offset of the first unit; in a store, of the first that points to a record that is still there. */
  get minOffset(): number {
    return this.#source.bounds()[0]
  }

  /** Offset that the next message gets. */
  get maxOffset(): number {
    return this.#source.bounds()[1]
  }

  /** The unit of a queue offset; undefined when there is none. */
  unit(queueOffset: number): QueueUnit | undefined {
    checkWhole('queueOffset', queueOffset)
    const bytes = this.#source.read(queueOffset, 1)
    return bytes.length === UNIT_BYTES ? readQueueUnit(bytes, 0) : undefined
  }

  /** All units from an offset on, or `count` of them. Units that are not in memory are read from disk at once. */
  *units(from = this.minOffset, count = Number.POSITIVE_INFINITY): IterableIterator<QueueUnit> {
    checkWhole('from', from)
    for (let offset = from, left = count; left > 0; ) {
      const bytes = this.#source.read(offset, Math.min(left, READ_UNITS))
      if (bytes.length === 0) return
      for (let at = 0; at < bytes.length; at += UNIT_BYTES) yield readQueueUnit(bytes, at)
      offset += bytes.length / UNIT_BYTES
      left -= bytes.length / UNIT_BYTES
    }
  }

  /** Puts a unit at the queue's end and returns its queue offset. It is in a file after `flush` or `close`, and visible here at once. */
  put(unit: QueueUnit): number {
    checkObject('unit', unit)
    return binding.putUnit(this.writable(), unit.logOffset, unit.size, unit.tagCode)
  }
}

function folderOf({ root, topic, queueId }: { root: string; topic: string; queueId: number }): string {
  if (typeof root !== 'string' || root === '') throw invalid('root', root, 'a path')
  // The core knows which names are a topic's; here it must only stay one name.
  if (typeof topic !== 'string' || basename(topic) !== topic) throw invalid('topic', topic, 'the name of a topic')
  checkWhole('queueId', queueId)
  return join(root, 'consumequeue', topic, String(queueId))
}

function storeQueue(native: NativeStore, topic: string, queueId: number, queues: QueueNumbers): QueueSource {
  const number = () => queues.of(topic, queueId, false)
  return {
    bounds: () => {
      const known = number()
      return known < 0 ? [0, 0] : binding.bounds(native, known)
    },
    read: (offset, count) => {
      const known = number()
      return known < 0 ? Buffer.alloc(0) : binding.readUnits(native, known, offset, count)
    },
  }
}

function ownQueue(native: NativePart): QueueSource {
  return {
    bounds: () => binding.queueBounds(native),
    read: (offset, count) => binding.queueUnits(native, offset, count),
  }
}

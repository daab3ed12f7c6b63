/** Pulls for one environment: by the core at once where everything is in memory, on the pool where a page must come from disk. */
import { storeError } from '../errors.js'
import { readQueueUnit, UNIT_BYTES } from '../format/queue-unit.js'
import type { NativeStore, NativeTags } from '../native/binding.js'
import { binding } from '../native/binding.js'
import { Message } from './message.js'
import type { QueueNumbers } from './queue-numbers.js'
import { TagFilter } from './tag-filter.js'
import type {
  MessageFilter,
  PullOptions,
  PullResult,
  PullStatus,
  RangePullResult,
  RawPullOptions,
  RawPullResult,
  UnitDamage,
} from './types.js'

/** In the order of the core's PullStatus. */
const STATUSES: readonly PullStatus[] = [
  'FOUND',
  'NO_MATCHED_MESSAGE',
  'MESSAGE_WAS_REMOVING',
  'OFFSET_FOUND_NULL',
  'OFFSET_OVERFLOW_BADLY',
  'OFFSET_OVERFLOW_ONE',
  'OFFSET_TOO_SMALL',
  'NO_MATCHED_LOGIC_QUEUE',
  'NO_MESSAGE_IN_QUEUE',
]

const NUMBERS = binding.constants.pullNumbers
const [STATUS, NEXT, MIN, MAX, SUGGEST, COUNT, BYTES, WOULD_BLOCK, MISMATCHES] = [0, 1, 2, 3, 4, 5, 6, 7, 8]
/** A pull looks at no more units than this, so it returns no more ranges. */
const MAX_RANGES = 1024
const RANGE_CHUNK = 8 * MAX_RANGES
const MODE_BYTES = 0
const MODE_RANGES = 1
const MAX_TAG_LISTS = 256
const NO_BYTES = Buffer.alloc(0)

interface Pull {
  topic: string
  queueId: number
  offset: number
  maxMessages: number
  maxBytes: number
  mode: number
  tags: NativeTags | undefined
  into: Uint8Array | undefined
}

interface Raw {
  numbers: Float64Array
  value?: Buffer | undefined
}

export class Reader {
  readonly #store: NativeStore
  readonly #queues: QueueNumbers
  readonly #onDamage: (damage: UnitDamage) => void
  readonly #readOnly: boolean
  readonly #assertOpen: () => void
  /** Written by every pull, read before the next. */
  readonly #numbers = new Float64Array(NUMBERS + 2 * MAX_RANGES)
  readonly #tags = new Map<string, NativeTags>()
  #rangeChunk = new Float64Array(RANGE_CHUNK)
  #rangesUsed = 0

  constructor(
    store: NativeStore,
    queues: QueueNumbers,
    readOnly: boolean,
    onDamage: ((damage: UnitDamage) => void) | undefined,
    assertOpen: () => void,
  ) {
    this.#store = store
    this.#queues = queues
    this.#readOnly = readOnly
    this.#onDamage = onDamage ?? warn
    this.#assertOpen = assertOpen
  }

  async pull(options: PullOptions): Promise<PullResult> {
    // What the core answered at once is read at once: the next pull writes over it.
    const answer = this.#run(options, MODE_BYTES)
    const { numbers, value } = answer instanceof Promise ? await answer : answer
    const count = numbers[COUNT] as number
    const messages: Message[] = new Array(count)
    for (let i = 0, at = 0; i < count; i++) {
      const message = new Message(value as Buffer, at)
      messages[i] = message
      at += message.size
    }
    const result: PullResult = {
      status: STATUSES[numbers[STATUS] as number] as PullStatus,
      messages,
      nextOffset: numbers[NEXT] as number,
      minOffset: numbers[MIN] as number,
      maxOffset: numbers[MAX] as number,
      suggestPullingFromSlave: numbers[SUGGEST] === 1,
    }
    return options.filter === undefined ? result : this.#filtered(options, options.filter, result)
  }

  async pullRaw(options: RawPullOptions): Promise<RawPullResult> {
    noFilter(options)
    const into = options?.into
    if (into !== undefined && !(into instanceof Uint8Array))
      throw storeError('INVALID_ARGUMENT', { what: 'into', value: into, allowed: 'a Uint8Array' })
    const answer = this.#run(options, MODE_BYTES, into)
    const { numbers, value } = answer instanceof Promise ? await answer : answer
    return {
      status: STATUSES[numbers[STATUS] as number] as PullStatus,
      bytes: into === undefined ? (value ?? NO_BYTES) : bytesIn(into, value, numbers[BYTES] as number),
      count: numbers[COUNT] as number,
      nextOffset: numbers[NEXT] as number,
      minOffset: numbers[MIN] as number,
      maxOffset: numbers[MAX] as number,
      suggestPullingFromSlave: numbers[SUGGEST] === 1,
    }
  }

  async pullRanges(options: PullOptions): Promise<RangePullResult> {
    noFilter(options)
    const answer = this.#run(options, MODE_RANGES)
    const { numbers } = answer instanceof Promise ? await answer : answer
    const count = numbers[COUNT] as number
    return {
      status: STATUSES[numbers[STATUS] as number] as PullStatus,
      ranges: this.#ranges(numbers, 2 * count),
      count,
      nextOffset: numbers[NEXT] as number,
      minOffset: numbers[MIN] as number,
      maxOffset: numbers[MAX] as number,
      suggestPullingFromSlave: numbers[SUGGEST] === 1,
    }
  }

  /** A copy, out of one large array for many pulls: an array of its own would cost more than the pull. */
  #ranges(numbers: Float64Array, length: number): Float64Array {
    if (this.#rangesUsed + length > this.#rangeChunk.length) {
      this.#rangeChunk = new Float64Array(RANGE_CHUNK)
      this.#rangesUsed = 0
    }
    const chunk = this.#rangeChunk
    const at = this.#rangesUsed
    for (let i = 0; i < length; i++) chunk[at + i] = numbers[NUMBERS + i] as number
    this.#rangesUsed += length
    return chunk.subarray(at, at + length)
  }

  #run(options: PullOptions, mode: number, into?: Uint8Array): Raw | Promise<Raw> {
    this.#assertOpen()
    if (options === null || typeof options !== 'object')
      throw storeError('INVALID_ARGUMENT', { what: 'options', value: options, allowed: 'an object' })
    const { topic, queueId, offset, maxBytes = 0 } = options
    const maxMessages = Math.min(options.maxMessages ?? 32, MAX_RANGES)
    check('offset', offset, 0)
    check('maxMessages', maxMessages, 1)
    check('maxBytes', maxBytes, 0)
    const pull = { topic, queueId, offset, maxMessages, maxBytes, mode, tags: this.#tagList(options.tags), into }
    const answer = this.#ask(pull)
    if (!this.#readOnly || answer instanceof Promise || answer.numbers[STATUS] === 0) return this.#told(pull, answer)
    // Another process may have appended since. What it has is read on the pool.
    return binding.refreshCold(this.#store).then(() => {
      const again = this.#told(pull, this.#ask(pull))
      return again instanceof Promise ? again : { numbers: again.numbers.slice(), value: again.value }
    })
  }

  #ask({ topic, queueId, offset, maxMessages, maxBytes, mode, tags, into }: Pull): Raw | Promise<Raw> {
    const queue = this.#queues.of(topic, queueId, false)
    const numbers = this.#numbers
    if (queue < 0) {
      // As RocketMQ answers for a queue that nobody has written to; where there can be none it has none to ask.
      numbers.fill(0, 0, NUMBERS)
      numbers[STATUS] = STATUSES.indexOf(queue === -1 ? 'NO_MESSAGE_IN_QUEUE' : 'NO_MATCHED_LOGIC_QUEUE')
      return { numbers, value: undefined }
    }
    const value = binding.pull(this.#store, queue, offset, maxMessages, maxBytes, mode, tags, numbers, into)
    if (numbers[WOULD_BLOCK] === 1) return binding.pullCold(this.#store, queue, offset, maxMessages, maxBytes, mode, tags)
    return { numbers, value }
  }

  /** The same answer, and units that point to no message of their queue are reported. Whoever is told may pull: what he is told of is kept for its reader. */
  #told(pull: Pull, answer: Raw | Promise<Raw>): Raw | Promise<Raw> {
    if (answer instanceof Promise) return answer.then((raw) => this.#told(pull, raw))
    if (answer.numbers[MISMATCHES] === 0) return answer
    const kept = { numbers: answer.numbers.slice(), value: answer.value }
    for (const mismatch of binding.mismatches(this.#store)) this.#onDamage({ topic: pull.topic, queueId: pull.queueId, ...mismatch })
    return kept
  }

  #tagList(tags: string | TagFilter | undefined): NativeTags | undefined {
    if (tags === undefined) return undefined
    const filter = tags instanceof TagFilter ? tags : new TagFilter(tags)
    if (filter.all) return undefined
    let list = this.#tags.get(filter.expression)
    if (list === undefined) {
      if (this.#tags.size >= MAX_TAG_LISTS) this.#tags.clear()
      list = binding.createTags(filter.tags)
      this.#tags.set(filter.expression, list)
    }
    return list
  }

  #filtered(options: PullOptions, filter: MessageFilter, result: PullResult): PullResult {
    if (result.messages.length === 0) return result
    const queue = this.#queues.of(options.topic, options.queueId, false)
    const messages = result.messages.filter((message) => {
      const queueOffset = message.queueOffsetIn(options.topic, options.queueId) as number
      const unit = binding.readUnits(this.#store, queue, queueOffset, 1)
      const tagCode = unit.length === UNIT_BYTES ? readQueueUnit(unit, 0).tagCode : 0n
      return filter.matchesTagCode(tagCode) && filter.matchesMessage(message)
    })
    return { ...result, messages, status: messages.length === 0 ? 'NO_MATCHED_MESSAGE' : result.status }
  }
}

/** The records of a pull that was given memory: a buffer of their own when they did not fit, or came from the pool, which must not write to the caller's. */
function bytesIn(into: Uint8Array, value: Buffer | undefined, bytes: number): Buffer {
  if (bytes === 0) return NO_BYTES
  if (value !== undefined && value.length > into.length) return value
  if (value !== undefined) into.set(value)
  return Buffer.from(into.buffer, into.byteOffset, bytes)
}

function check(what: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least)
    throw storeError('INVALID_ARGUMENT', { what, value, allowed: `a whole number from ${least}` })
}

function noFilter(options: PullOptions): void {
  if (options?.filter !== undefined)
    throw storeError('INVALID_ARGUMENT', { what: 'filter', value: options.filter, allowed: 'only pull() decodes messages for a filter' })
}

function warn({ topic, queueId, queueOffset, logOffset, reason }: UnitDamage): void {
  process.emitWarning(
    `unit ${queueOffset} of queue ${queueId} of topic '${topic}' (log offset ${logOffset}) ${reason}; it is not delivered`,
    {
      code: 'MILLRACE_QUEUE_DAMAGE',
    },
  )
}

/**
 * Appending for one environment. Appends of one tick gather in the block and cross to the core together; what is waited for then is in acknowledgements.ts.
 * What waits is bounded by count and bytes.
 */
import { storeError } from '../errors.js'
import { parseHost } from '../format/host.js'
import type { NativeStore } from '../native/binding.js'
import { binding } from '../native/binding.js'
import type { AcknowledgementOptions, Resolve } from './acknowledgements.js'
import { Acknowledgements } from './acknowledgements.js'
import { AppendBlock, checkMessage, FIRST } from './append-block.js'
import { Appended } from './append-result.js'
import { Fifo } from './fifo.js'
import type { QueueNumbers } from './queue-numbers.js'
import type { AppendBatchOptions, AppendOptions, AppendResult, AppendStatus, MessageInput } from './types.js'

const MODE_ALL_OR_NOTHING = 1
const MODE_TOGETHER = 2
const MODE_WAIT = 4
const RESULT_NOT_FLUSHED = 2
const WHY_SIDE_QUEUE = 1
/** Messages of one tick cross when they fill so much, so that the core's copy of them stays in the processor's cache. */
const CROSS_AT_BYTES = 256 << 10
const TRANSACTION_MASK = 0xc
const MAX_BLOCK_BYTES = 2 ** 31 - 8

export interface AppenderOptions extends AcknowledgementOptions {
  maxWaitingAppends: number
  maxWaitingBytes: number
  whenFull: 'wait' | 'reject'
  /** Address and port of the store host, as in a message id. */
  hostHex: string
  /** Told after every append that went through. */
  onAppended: () => void
}

/** An append that has not begun: too much was waiting. */
interface Blocked {
  readonly message: MessageInput
  readonly wait: boolean
  readonly resolve: Resolve
}

/** The appends of one crossing, in order: what is used again, instead of an object each. */
class Gathered {
  count = 0
  readonly resolves: (Resolve | undefined)[] = []
  /** Places of those that do not wait for the flush. */
  readonly hasty = new Set<number>()

  add(resolve: Resolve, wait: boolean): void {
    const i = this.count++
    this.resolves[i] = resolve
    if (!wait) this.hasty.add(i)
  }

  clear(): void {
    this.resolves.fill(undefined, 0, this.count)
    if (this.hasty.size > 0) this.hasty.clear()
    this.count = 0
  }
}

export class Appender {
  readonly #store: NativeStore
  readonly #queues: QueueNumbers
  readonly #options: AppenderOptions
  readonly #block: AppendBlock
  /** For batches that are larger than the block; kept, for a store that gets one gets many. */
  #large: AppendBlock | undefined
  /** A caller's message is being read: its getters must not use the store. */
  #reading = false
  /** Who waits for the messages in the block. */
  #gathered = new Gathered()
  #spare: Gathered | undefined
  readonly #acknowledgements: Acknowledgements
  readonly #blocked = new Fifo<Blocked>()
  #drained: (() => void)[] = []
  readonly #commitTick = (): void => this.commit()

  constructor(store: NativeStore, queues: QueueNumbers, options: AppenderOptions) {
    this.#store = store
    this.#queues = queues
    this.#options = options
    this.#block = new AppendBlock(store, queues)
    this.#acknowledgements = new Acknowledgements(store, options, () => this.#release())
  }

  /** Messages whose append has not settled, those that could not begin included. */
  get waiting(): number {
    return this.#gathered.count + this.#acknowledgements.count + this.#blocked.length
  }

  append(message: MessageInput, options: AppendOptions | undefined): Promise<AppendResult> {
    const wait = options?.wait !== false
    return new Promise((resolve) => {
      if (this.#blocked.length === 0 && !this.#full()) this.#put(message, wait, resolve)
      else if (this.#options.whenFull === 'reject') throw storeError('TOO_MANY_WAITING', { waiting: this.waiting })
      else this.#blocked.push({ message, wait, resolve })
    })
  }

  appendSync(message: MessageInput, options: AppendOptions | undefined): Appended {
    const wait = this.#options.synchronous && options?.wait !== false
    this.commit()
    const block = this.#block
    this.#reading = true
    try {
      block.put(message)
    } finally {
      this.#reading = false
    }
    const flags = block.commit(wait ? MODE_ALL_OR_NOTHING | MODE_WAIT : MODE_ALL_OR_NOTHING)
    const result = this.#answer(block, FIRST, 0)
    if (flags & RESULT_NOT_FLUSHED) result.status = 'FLUSH_DISK_TIMEOUT'
    this.#options.onAppended()
    return result
  }

  appendBatchSync(messages: readonly MessageInput[], options: AppendBatchOptions | undefined): Appended[] {
    const wait = this.#options.synchronous && options?.wait !== false
    const { results, flags } = this.#writeBatch(messages, options?.atomic === true, wait ? MODE_WAIT : 0)
    if (flags & RESULT_NOT_FLUSHED) for (const result of results) result.status = 'FLUSH_DISK_TIMEOUT'
    return results
  }

  async appendBatch(messages: readonly MessageInput[], options: AppendBatchOptions | undefined): Promise<AppendResult[]> {
    const wait = options?.wait !== false
    const atomic = options?.atomic === true
    while (this.#full()) {
      if (this.#options.whenFull === 'reject') throw storeError('TOO_MANY_WAITING', { waiting: this.waiting })
      await new Promise<void>((resolve) => this.#drained.push(resolve))
    }
    const { results } = this.#writeBatch(messages, atomic, 0)
    if (wait && results.length > 0 && this.#acknowledgements.wanted) await this.#acknowledgements.ofBatch(results)
    return results
  }

  /** Everything that waits for the log goes to the core as far as the limits allow; the block is empty afterwards. */
  commit(): void {
    this.#assertNotReading()
    do {
      this.#cross()
      this.#release()
    } while (this.#gathered.count > 0)
  }

  /** Whether an append waits for more than its record's being there. */
  get waits(): boolean {
    return this.#acknowledgements.wanted
  }

  /** Of all records below a log offset, which were appended past this appender. */
  acknowledged(logOffset: number): Promise<AppendStatus> {
    const upTo = new Appended('PUT_OK', logOffset, 0, 0, 0, this.#options.hostHex)
    return new Promise((resolve, reject) =>
      this.#acknowledgements.of(upTo, (result) => void Promise.resolve(result).then(({ status }) => resolve(status), reject)),
    )
  }

  /** The core has flushed up to `flushed`, or its flush failed. */
  onFlushed(flushed: number, error: Error | undefined): void {
    this.#acknowledgements.onFlushed(flushed, error)
  }

  /** Settles when nothing waits any more. Appends that could not begin are refused. */
  async drain(): Promise<void> {
    // The store may be closing because of what a message's getter does: that append goes through first.
    if (this.#reading) await undefined
    for (let blocked = this.#blocked.shift(); blocked !== undefined; blocked = this.#blocked.shift())
      blocked.resolve(Promise.reject(storeError('STORE_NOT_OPEN', { state: 'closing' })))
    this.commit()
    while (this.#acknowledgements.count > 0) await new Promise<void>((resolve) => this.#drained.push(resolve))
  }

  #full(): boolean {
    const { maxWaitingAppends, maxWaitingBytes } = this.#options
    const { count, bytes } = this.#acknowledgements
    return this.#gathered.count + count >= maxWaitingAppends || this.#block.used + bytes >= maxWaitingBytes
  }

  #assertNotReading(): void {
    if (this.#reading)
      throw storeError('INVALID_ARGUMENT', {
        what: 'message',
        value: 'a getter',
        allowed: 'fields that do not use the store when they are read',
      })
  }

  /** Throws for what no store would take. */
  #put(message: MessageInput, wait: boolean, resolve: Resolve): void {
    this.#assertNotReading()
    const block = this.#block
    this.#reading = true
    try {
      if (!block.put(message)) {
        this.#cross()
        block.put(message)
      }
    } finally {
      this.#reading = false
    }
    this.#gathered.add(resolve, wait)
    if (block.used >= CROSS_AT_BYTES || block.sealed) this.#cross()
    // What a crossing makes room for begins with the tick's commit, not inside of an append.
    if (this.#gathered.count === 1) queueMicrotask(this.#commitTick)
  }

  /** The block goes to the core in one crossing, and its promises settle or begin to wait for the flush. */
  #cross(): void {
    const gathered = this.#gathered
    if (gathered.count === 0) return
    this.#gathered = this.#spare ?? new Gathered()
    this.#spare = undefined
    const { count, resolves, hasty } = gathered
    const block = this.#block
    try {
      block.commit(0)
    } catch (error) {
      for (let i = 0; i < count; i++) (resolves[i] as Resolve)(Promise.reject(error))
      return
    }
    const { wanted } = this.#acknowledgements
    let at = FIRST
    for (let i = 0; i < count; i++) {
      const resolve = resolves[i] as Resolve
      const code = block.code(at)
      if (code !== 0) {
        resolve(Promise.reject(refusal(code, block.size(at), block.why(at))))
      } else {
        const result = this.#answer(block, at, i)
        if (!wanted || (hasty.size > 0 && hasty.has(i))) resolve(result)
        else this.#acknowledgements.of(result, resolve)
      }
      at += block.entryBytes(at)
    }
    gathered.clear()
    this.#spare = gathered
    this.#options.onAppended()
  }

  #writeBatch(messages: readonly MessageInput[], atomic: boolean, wait: number): { results: Appended[]; flags: number } {
    if (!Array.isArray(messages))
      throw storeError('INVALID_ARGUMENT', { what: 'messages', value: messages, allowed: 'an array of messages' })
    this.commit()
    if (messages.length === 0) return { results: [], flags: 0 }
    let block: AppendBlock
    this.#reading = true
    try {
      if (atomic) checkAtomic(messages)
      block = this.#blockWith(messages)
    } finally {
      this.#reading = false
    }
    const flags = block.commit(MODE_ALL_OR_NOTHING | (atomic ? MODE_TOGETHER : 0) | wait)
    const results: Appended[] = new Array(messages.length)
    let at = FIRST
    for (let i = 0; i < results.length; i++) {
      results[i] = this.#answer(block, at, i)
      at += block.entryBytes(at)
    }
    this.#options.onAppended()
    return { results, flags }
  }

  /** The shared block, or a larger one: a batch is always one crossing. */
  #blockWith(messages: readonly MessageInput[]): AppendBlock {
    let block = this.#block
    while (putAll(block, messages) < messages.length) {
      block.clear()
      if (block.capacity === MAX_BLOCK_BYTES)
        throw storeError('MESSAGE_ILLEGAL', { reason: 'a batch takes more than 2 GiB; append it in parts' })
      if (block !== this.#block || this.#large === undefined)
        this.#large = new AppendBlock(this.#store, this.#queues, Math.min(4 * block.capacity, MAX_BLOCK_BYTES), false)
      block = this.#large
    }
    return block
  }

  /** Of message number `i`, whose entry lies at `at`. */
  #answer(block: AppendBlock, at: number, i: number): Appended {
    const storeHost = block.storeHost(i)
    return new Appended(
      'PUT_OK',
      block.logOffset(at),
      block.queueOffset(at),
      block.size(at),
      block.storeTimestamp(at),
      storeHost === undefined ? this.#options.hostHex : hostHex(storeHost),
    )
  }

  /** Those that could not begin, as far as there is room now. */
  #release(): void {
    while (this.#blocked.length > 0 && !this.#full()) {
      const { message, wait, resolve } = this.#blocked.shift() as Blocked
      try {
        this.#put(message, wait, resolve)
      } catch (error) {
        resolve(Promise.reject(error))
      }
    }
    if (this.#drained.length > 0 && !this.#full()) for (const resolve of this.#drained.splice(0)) resolve()
  }
}

function putAll(block: AppendBlock, messages: readonly MessageInput[]): number {
  for (let i = 0; i < messages.length; i++) {
    try {
      if (!block.put(messages[i] as MessageInput)) return i
    } catch (error) {
      block.clear()
      throw error instanceof Error ? Object.assign(error, { index: i }) : error
    }
  }
  return messages.length
}

/** What RocketMQ asks of a batch that is never split. */
function checkAtomic(messages: readonly MessageInput[]): void {
  const first = messages[0] as MessageInput
  for (const [index, message] of messages.entries()) {
    try {
      checkMessage(message)
    } catch (error) {
      throw Object.assign(error as Error, { index })
    }
    let reason: string | undefined
    if (message.topic !== first.topic || (message.queueId ?? 0) !== (first.queueId ?? 0)) reason = 'goes to another topic or queue'
    if (((message.sysFlag ?? 0) & TRANSACTION_MASK) !== 0) reason = 'belongs to a transaction'
    if (message.properties?.DELAY !== undefined) reason = 'is delayed'
    if (reason !== undefined)
      throw Object.assign(storeError('MESSAGE_ILLEGAL', { reason: `message ${index} of an atomic batch ${reason}` }), { index })
  }
}

function refusal(code: number, size: number, why: number): Error {
  if (binding.constants.codes[code] === 'PROPERTIES_SIZE_EXCEEDED') return storeError('PROPERTIES_SIZE_EXCEEDED', { bytes: size })
  const reason =
    why === WHY_SIDE_QUEUE
      ? "what its property INNER_MULTI_DISPATCH names are not all topics of 1 to 127 of the characters %|-_0-9a-zA-Z, joined by ','"
      : `its record takes ${size} bytes, more than maxMessageSize or a segment allows`
  return storeError('MESSAGE_ILLEGAL', { reason })
}

/** A host as a message id begins with it. */
export function hostHex(text: string): string {
  const host = parseHost(text)
  if (host === undefined) throw storeError('INVALID_ARGUMENT', { what: 'storeHost', value: text, allowed: "'ip:port' or '[ip6]:port'" })
  return Buffer.from(host.address).toString('hex').toUpperCase() + host.port.toString(16).toUpperCase().padStart(8, '0')
}

/**
 * Appending for one environment. Appends of one tick gather in the block and cross to the core together; a promise settles when the flush policy's promise
 * holds, all that one sync covers at one wake-up. What waits is bounded by count and bytes.
 */
import { storeError } from '../errors.js'
import { parseHost } from '../format/host.js'
import type { NativeStore } from '../native/binding.js'
import { binding } from '../native/binding.js'
import { AppendBlock, FIRST } from './append-block.js'
import { Appended } from './append-result.js'
import type { QueueNumbers } from './queue-numbers.js'
import type { Replication } from './replication.js'
import type { AppendBatchOptions, AppendOptions, AppendResult, MessageInput } from './types.js'

const MODE_ALL_OR_NOTHING = 1
const MODE_TOGETHER = 2
const MODE_WAIT = 4
const RESULT_NOT_FLUSHED = 2
/** Messages of one tick cross when they fill so much, so that the core's copy of them stays in the processor's cache. */
const CROSS_AT_BYTES = 256 << 10
const TRANSACTION_MASK = 0xc

export interface AppenderOptions {
  synchronous: boolean
  timeoutMs: number
  maxWaitingAppends: number
  maxWaitingBytes: number
  whenFull: 'wait' | 'reject'
  /** Address and port of the store host, as in a message id. */
  hostHex: string
  replication: Replication | undefined
  /** Told after every append that went through. */
  onAppended: () => void
}

/** Settles an append; with a promise that rejects, it rejects. */
type Resolve = (result: AppendResult | Promise<never>) => void

/** An append whose record is in the log and whose flush is waited for. */
interface Unflushed {
  readonly result: Appended
  readonly resolve: Resolve
  readonly deadline: number
  /** A replica is waited for afterwards. */
  readonly replicate: boolean
}

/** An append that has not begun: too much was waiting. */
interface Blocked {
  readonly message: MessageInput
  readonly wait: boolean
  readonly resolve: Resolve
}

/** What an append asks for beyond the rule. */
interface Unusual {
  readonly wait: boolean
  readonly storeHost: string | undefined
}

/** The appends of one crossing, in order: what is used again, instead of an object each. */
class Gathered {
  count = 0
  readonly resolves: (Resolve | undefined)[] = []
  /** By their place. */
  readonly unusual = new Map<number, Unusual>()

  add(resolve: Resolve, wait: boolean, storeHost: string | undefined): void {
    const i = this.count++
    this.resolves[i] = resolve
    if (!wait || storeHost !== undefined) this.unusual.set(i, { wait, storeHost })
  }

  clear(): void {
    this.resolves.fill(undefined, 0, this.count)
    if (this.unusual.size > 0) this.unusual.clear()
    this.count = 0
  }
}

export class Appender {
  readonly #store: NativeStore
  readonly #queues: QueueNumbers
  readonly #options: AppenderOptions
  readonly #block: AppendBlock
  /** Who waits for the messages in the block. */
  #gathered = new Gathered()
  #spare: Gathered | undefined
  /** In the order of the log. Those before `#settled` are done. */
  #unflushed: Unflushed[] = []
  #settled = 0
  #unflushedBytes = 0
  #blocked: Blocked[] = []
  #timer: NodeJS.Timeout | undefined
  #drained: (() => void)[] = []
  readonly #commitTick = (): void => this.commit()

  constructor(store: NativeStore, queues: QueueNumbers, options: AppenderOptions) {
    this.#store = store
    this.#queues = queues
    this.#options = options
    this.#block = new AppendBlock(store, queues)
  }

  /** Appends whose promise has not settled, those that could not begin included. */
  get waiting(): number {
    return this.#gathered.count + this.#unflushed.length - this.#settled + this.#blocked.length
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
    if (this.#gathered.count > 0) this.commit()
    const block = this.#block
    let mode = MODE_ALL_OR_NOTHING
    if (this.#options.synchronous && options?.wait !== false) mode |= MODE_WAIT
    block.put(message)
    const flags = block.commit(mode)
    const result = this.#answer(block, FIRST, message.storeHost)
    if (flags & RESULT_NOT_FLUSHED) result.status = 'FLUSH_DISK_TIMEOUT'
    this.#options.onAppended()
    return result
  }

  appendBatchSync(messages: readonly MessageInput[], options: AppendBatchOptions | undefined): Appended[] {
    const wait = this.#options.synchronous && options?.wait !== false
    const { results, flags } = this.#writeBatch(messages, options, wait ? MODE_WAIT : 0)
    if (flags & RESULT_NOT_FLUSHED) for (const result of results) result.status = 'FLUSH_DISK_TIMEOUT'
    return results
  }

  async appendBatch(messages: readonly MessageInput[], options: AppendBatchOptions | undefined): Promise<AppendResult[]> {
    while (this.#full()) {
      if (this.#options.whenFull === 'reject') throw storeError('TOO_MANY_WAITING', { waiting: this.waiting })
      await new Promise<void>((resolve) => this.#drained.push(resolve))
    }
    const { results } = this.#writeBatch(messages, options, 0)
    const last = results.at(-1)
    if (last === undefined || options?.wait === false) return results
    if (this.#options.synchronous) {
      const settled = await new Promise<AppendResult>((resolve) => this.#waitForFlush(last, resolve, false))
      for (const result of results) result.status = settled.status
    }
    if (this.#options.replication !== undefined) for (const result of results) await this.#replicated(result)
    return results
  }

  /** Everything that lies in the block goes to the core, and its promises settle or begin to wait for the flush. */
  commit(): void {
    const gathered = this.#gathered
    if (gathered.count === 0) return
    this.#gathered = this.#spare ?? new Gathered()
    this.#spare = undefined
    const { count, resolves, unusual } = gathered
    const block = this.#block
    try {
      block.commit(0)
    } catch (error) {
      for (let i = 0; i < count; i++) (resolves[i] as Resolve)(Promise.reject(error))
      this.#release()
      return
    }
    const { synchronous, replication } = this.#options
    let at = FIRST
    for (let i = 0; i < count; i++) {
      const resolve = resolves[i] as Resolve
      const code = block.code(at)
      if (code !== 0) {
        resolve(Promise.reject(refusal(code, block.size(at))))
      } else {
        const more = unusual.size > 0 ? unusual.get(i) : undefined
        const result = this.#answer(block, at, more?.storeHost)
        if (more?.wait === false) resolve(result)
        else if (synchronous) this.#waitForFlush(result, resolve, replication !== undefined)
        else if (replication !== undefined) this.#replicated(result).then(resolve)
        else resolve(result)
      }
      at += block.entryBytes(at)
    }
    gathered.clear()
    this.#spare = gathered
    this.#options.onAppended()
    this.#release()
  }

  /** The core has flushed up to `flushed`, or its flush failed. */
  onFlushed(flushed: number, error: Error | undefined): void {
    const unflushed = this.#unflushed
    let i = this.#settled
    for (; i < unflushed.length; i++) {
      const { result, resolve, replicate } = unflushed[i] as Unflushed
      if (result.logOffset + result.size > flushed && error === undefined) break
      this.#unflushedBytes -= result.size
      if (result.logOffset + result.size > flushed) result.status = 'FLUSH_DISK_TIMEOUT'
      if (replicate) this.#replicated(result).then(resolve)
      else resolve(result)
    }
    this.#advance(i)
  }

  /** Settles when nothing waits any more. Appends that could not begin are refused. */
  async drain(): Promise<void> {
    this.commit()
    const blocked = this.#blocked
    this.#blocked = []
    for (const { resolve } of blocked) resolve(Promise.reject(storeError('STORE_NOT_OPEN', { state: 'closing' })))
    while (this.#unflushed.length > this.#settled) await new Promise<void>((resolve) => this.#drained.push(resolve))
  }

  #full(): boolean {
    const { maxWaitingAppends, maxWaitingBytes } = this.#options
    return (
      this.#gathered.count + this.#unflushed.length - this.#settled >= maxWaitingAppends ||
      this.#block.used + this.#unflushedBytes >= maxWaitingBytes
    )
  }

  /** Throws for what no store would take. */
  #put(message: MessageInput, wait: boolean, resolve: Resolve): void {
    const block = this.#block
    if (!block.put(message)) {
      this.commit()
      block.put(message)
    }
    this.#gathered.add(resolve, wait, message.storeHost)
    if (block.used >= CROSS_AT_BYTES || block.sealed) this.commit()
    else if (this.#gathered.count === 1) queueMicrotask(this.#commitTick)
  }

  #writeBatch(
    messages: readonly MessageInput[],
    options: AppendBatchOptions | undefined,
    wait: number,
  ): { results: Appended[]; flags: number } {
    if (!Array.isArray(messages))
      throw storeError('INVALID_ARGUMENT', { what: 'messages', value: messages, allowed: 'an array of messages' })
    this.commit()
    if (messages.length === 0) return { results: [], flags: 0 }
    let mode = MODE_ALL_OR_NOTHING | wait
    if (options?.atomic === true) {
      checkAtomic(messages)
      mode |= MODE_TOGETHER
    }
    const block = this.#blockWith(messages)
    const flags = block.commit(mode)
    const results: Appended[] = new Array(messages.length)
    let at = FIRST
    for (let i = 0; i < results.length; i++) {
      results[i] = this.#answer(block, at, (messages[i] as MessageInput).storeHost)
      at += block.entryBytes(at)
    }
    this.#options.onAppended()
    return { results, flags }
  }

  /** The shared block, or one of its own for a batch that is larger: a batch is always one crossing. */
  #blockWith(messages: readonly MessageInput[]): AppendBlock {
    let block = this.#block
    for (let size = 4 << 20; ; size *= 4) {
      const i = putAll(block, messages)
      if (i === messages.length) return block
      block.clear()
      block = new AppendBlock(this.#store, this.#queues, size, false)
    }
  }

  #answer(block: AppendBlock, at: number, storeHost: string | undefined): Appended {
    return new Appended(
      'PUT_OK',
      block.logOffset(at),
      block.queueOffset(at),
      block.size(at),
      block.storeTimestamp(at),
      storeHost === undefined ? this.#options.hostHex : hostHex(storeHost),
    )
  }

  #waitForFlush(result: Appended, resolve: Resolve, replicate: boolean): void {
    this.#unflushed.push({ result, resolve, replicate, deadline: Date.now() + this.#options.timeoutMs })
    this.#unflushedBytes += result.size
    if (this.#unflushed.length - this.#settled > 1) return
    binding.hold(this.#store, true)
    this.#wakeAtFirst()
  }

  #wakeAtFirst(): void {
    const first = this.#unflushed[this.#settled] as Unflushed
    binding.wakeWhenFlushed(this.#store, first.result.logOffset + first.result.size)
    if (this.#timer === undefined) this.#timer = setTimeout(() => this.#expire(), Math.max(1, first.deadline - Date.now())).unref()
  }

  #expire(): void {
    this.#timer = undefined
    const now = Date.now()
    let i = this.#settled
    for (; i < this.#unflushed.length; i++) {
      const { result, resolve, deadline } = this.#unflushed[i] as Unflushed
      if (deadline > now) break
      this.#unflushedBytes -= result.size
      result.status = 'FLUSH_DISK_TIMEOUT'
      resolve(result)
    }
    this.#advance(i)
  }

  /** Everything before `settled` is done. */
  #advance(settled: number): void {
    this.#settled = settled
    if (settled === this.#unflushed.length) {
      if (settled > 0) {
        this.#unflushed = []
        this.#settled = 0
        binding.hold(this.#store, false)
      }
      clearTimeout(this.#timer)
      this.#timer = undefined
    } else {
      if (settled > 1024) {
        this.#unflushed = this.#unflushed.slice(settled)
        this.#settled = 0
      }
      this.#wakeAtFirst()
    }
    this.#release()
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

  async #replicated(result: Appended): Promise<AppendResult> {
    const status = await (this.#options.replication as Replication).waitFor(result.logOffset + result.size)
    // The replica's answer overrides the disk's, as in RocketMQ.
    if (status !== 'PUT_OK') result.status = status
    return result
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
    let reason: string | undefined
    if (message.topic !== first.topic || (message.queueId ?? 0) !== (first.queueId ?? 0)) reason = 'goes to another topic or queue'
    if (((message.sysFlag ?? 0) & TRANSACTION_MASK) !== 0) reason = 'belongs to a transaction'
    if (message.properties?.DELAY !== undefined) reason = 'is delayed'
    if (reason !== undefined)
      throw Object.assign(storeError('MESSAGE_ILLEGAL', { reason: `message ${index} of an atomic batch ${reason}` }), { index })
  }
}

function refusal(code: number, size: number): Error {
  const name = binding.constants.codes[code]
  return name === 'PROPERTIES_SIZE_EXCEEDED'
    ? storeError('PROPERTIES_SIZE_EXCEEDED', { bytes: size })
    : storeError('MESSAGE_ILLEGAL', { reason: `its record takes ${size} bytes, more than maxMessageSize or a segment allows` })
}

/** A host as a message id begins with it. */
export function hostHex(text: string): string {
  const host = parseHost(text)
  if (host === undefined) throw storeError('INVALID_ARGUMENT', { what: 'storeHost', value: text, allowed: "'ip:port' or '[ip6]:port'" })
  return Buffer.from(host.address).toString('hex').toUpperCase() + host.port.toString(16).toUpperCase().padStart(8, '0')
}

/**
 * What appends wait for whose records are in the log: under synchronous flush the disk, and a replica where there is one, both at once. All that one sync
 * covers settles at one wake-up.
 */
import type { NativeStore } from '../native/binding.js'
import { binding } from '../native/binding.js'
import type { Appended } from './append-result.js'
import { Fifo } from './fifo.js'
import type { Replication, ReplicationStatus } from './replication.js'
import type { AppendResult } from './types.js'

export interface AcknowledgementOptions {
  synchronous: boolean
  /** How long the flush is waited for. */
  timeoutMs: number
  replication: Replication | undefined
}

/** Settles an append; with a promise that rejects, it rejects. */
export type Resolve = (result: AppendResult | Promise<never>) => void

/** One append, or a batch. */
interface Waiting {
  /** Of the last of them. */
  readonly result: Appended
  readonly count: number
  readonly bytes: number
  readonly resolve: Resolve
  /** Of the flush. */
  readonly deadline: number
  readonly replica: Promise<ReplicationStatus> | undefined
}

export class Acknowledgements {
  readonly #store: NativeStore
  readonly #options: AcknowledgementOptions
  readonly #onRoom: () => void
  /** Those that wait for the flush, in the order of the log. */
  readonly #unflushed = new Fifo<Waiting>()
  #timer: NodeJS.Timeout | undefined
  #count = 0
  #bytes = 0

  /** `onRoom` is told when fewer wait than before. */
  constructor(store: NativeStore, options: AcknowledgementOptions, onRoom: () => void) {
    this.#store = store
    this.#options = options
    this.#onRoom = onRoom
  }

  /** Whether there is anything to wait for. */
  get wanted(): boolean {
    return this.#options.synchronous || this.#options.replication !== undefined
  }

  /** Messages that wait. */
  get count(): number {
    return this.#count
  }

  /** Bytes of their records. */
  get bytes(): number {
    return this.#bytes
  }

  /** Of one append; its result is given to `resolve`. */
  of(result: Appended, resolve: Resolve): void {
    this.#begin(result, 1, result.size, resolve, this.#askReplica(result))
  }

  /** Of all messages of a batch: each gets the status of their common flush, and the last word is its own replica's. */
  async ofBatch(results: readonly Appended[]): Promise<void> {
    let bytes = 0
    for (const { size } of results) bytes += size
    const replicas = Promise.all(results.map((result) => this.#askReplica(result)))
    const last = results.at(-1) as Appended
    const { status } = await new Promise<AppendResult>((resolve) => {
      this.#begin(
        last,
        results.length,
        bytes,
        resolve,
        replicas.then(() => 'PUT_OK'),
      )
    })
    for (const [i, replicated] of (await replicas).entries()) {
      const result = results[i] as Appended
      result.status = replicated === undefined || replicated === 'PUT_OK' ? status : replicated
    }
  }

  /** The core has flushed up to `flushed`, or its flush failed. */
  onFlushed(flushed: number, error: Error | undefined): void {
    if (this.#unflushed.length === 0) return
    for (let first = this.#unflushed.first; first !== undefined; first = this.#unflushed.first) {
      const durable = first.result.logOffset + first.result.size <= flushed
      if (!durable && error === undefined) break
      this.#unflushed.shift()
      if (!durable) first.result.status = 'FLUSH_DISK_TIMEOUT'
      this.#awaitReplica(first)
    }
    this.#awaitNext()
  }

  #begin(result: Appended, count: number, bytes: number, resolve: Resolve, replica: Promise<ReplicationStatus> | undefined): void {
    const waiting = { result, count, bytes, resolve, replica, deadline: Date.now() + this.#options.timeoutMs }
    this.#count += count
    this.#bytes += bytes
    if (!this.#options.synchronous) {
      this.#awaitReplica(waiting)
      return
    }
    this.#unflushed.push(waiting)
    if (this.#unflushed.length > 1) return
    binding.hold(this.#store, true)
    this.#awaitFirst()
  }

  /** The flush has had its say. */
  #awaitReplica(waiting: Waiting): void {
    if (waiting.replica === undefined) this.#settle(waiting)
    waiting.replica?.then((status) => {
      // The replica's answer overrides the disk's, as in RocketMQ.
      if (status !== 'PUT_OK') waiting.result.status = status
      this.#settle(waiting)
      this.#onRoom()
    })
  }

  #settle({ result, count, bytes, resolve }: Waiting): void {
    this.#count -= count
    this.#bytes -= bytes
    resolve(result)
  }

  #awaitFirst(): void {
    const { result, deadline } = this.#unflushed.first as Waiting
    binding.wakeWhenFlushed(this.#store, result.logOffset + result.size)
    if (this.#timer === undefined) this.#timer = setTimeout(() => this.#expire(), Math.max(1, deadline - Date.now())).unref()
  }

  #expire(): void {
    this.#timer = undefined
    const now = Date.now()
    for (let first = this.#unflushed.first; first !== undefined && first.deadline <= now; first = this.#unflushed.first) {
      this.#unflushed.shift()
      first.result.status = 'FLUSH_DISK_TIMEOUT'
      this.#awaitReplica(first)
    }
    this.#awaitNext()
  }

  #awaitNext(): void {
    if (this.#unflushed.length > 0) {
      this.#awaitFirst()
    } else {
      binding.hold(this.#store, false)
      clearTimeout(this.#timer)
      this.#timer = undefined
    }
    this.#onRoom()
  }

  #askReplica({ logOffset, size }: Appended): Promise<ReplicationStatus> | undefined {
    const { replication } = this.#options
    return replication && answerOf(replication, logOffset + size)
  }
}

async function answerOf(replication: Replication, logOffset: number): Promise<ReplicationStatus> {
  // Not inside of the crossing whose answers are still being read: the replica's code may append itself.
  await undefined
  try {
    return await replication.waitFor(logOffset)
  } catch {
    return 'SLAVE_NOT_AVAILABLE'
  }
}

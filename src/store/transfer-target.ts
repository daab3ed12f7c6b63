/**
 * Where ranges of the log are sent to: a socket or another descriptor, in order, by the kernel alone where that is the faster way.
 *
 * The addon writes to a duplicate of the descriptor. So that its bytes and Node's never mix, it begins only when the socket has nothing queued, and
 * while it is not done what the program writes to the socket waits in the socket (`cork`), and so does its `end`.
 */
import { Socket } from 'node:net'
import { StoreError, storeError } from '../errors.js'
import type { NativeStore } from '../native/binding.js'
import { binding } from '../native/binding.js'
import { checkObject } from './part.js'
import type { RangePullResult } from './types.js'

/** 'sendfile' and 'writev' send the same bytes; 'chosen' takes the one that is faster for the size of a range. */
export type TransferWay = 'chosen' | 'sendfile' | 'writev'

export interface TransferTargetOptions {
  /** A reader that takes nothing for so many milliseconds is given up: the transfer fails, the socket is destroyed. Default 120,000; 0: never. */
  stallTimeoutMs?: number
}

/** What `MessageStore.transfer` sends. */
export interface TransferOptions {
  /** Goes before the ranges; copied. */
  head?: Uint8Array
  /** A page of `pullRanges`, or ranges of the log as it has them. */
  ranges?: Float64Array | RangePullResult
  /** Default 'chosen'. */
  way?: TransferWay
}

/** @internal */
export interface TransferJob {
  readonly native: NativeStore | undefined
  readonly head: Uint8Array | undefined
  /** Log offset and size, alternating. */
  readonly ranges: Float64Array | undefined
  readonly way: TransferWay
}

interface Settling {
  resolve(bytes: number): void
  reject(error: Error): void
  readonly bytes: number
}

const WAYS: readonly TransferWay[] = ['chosen', 'sendfile', 'writev']
const [QUEUED, OUT] = [1, 2]
const EMPTY = new Uint8Array(0)

/** Of this environment, by the addon's numbers. */
const targets = new Map<number, TransferTarget>()
const ofSockets = new WeakMap<Socket, TransferTarget>()
let begun = false
let pending = 0

function hold(more: number): void {
  const before = pending
  pending += more
  if (before === 0 || pending === 0) binding.holdTransfers(pending > 0)
}

export class TransferTarget {
  readonly #id: number
  readonly #socket: Socket | undefined
  /** With the addon, oldest first. */
  readonly #queued: Settling[] = []
  /** Jobs that wait for the one before them: it reads from the disk, or the socket is not empty yet. */
  readonly #later: (() => void)[] = []
  readonly #idle: (() => void)[] = []
  #busy = false
  #corked = false
  #failed: Error | undefined
  readonly #onClose = () => this.#fail(storeError('TRANSFER_FAILED', { reason: 'the socket was closed' }))

  /** For a connected TCP or Unix socket of Node's; the same object for the same socket. TLS has no descriptor that takes plain bytes. */
  static of(socket: Socket, options?: TransferTargetOptions): TransferTarget {
    const known = ofSockets.get(socket)
    if (known !== undefined) return known
    // Node tells a socket's descriptor nowhere else.
    const fd = socket instanceof Socket && !('encrypted' in socket) && !socket.destroyed ? handleOf(socket)?.fd : undefined
    if (fd === undefined || fd < 0)
      throw storeError('INVALID_ARGUMENT', { what: 'socket', value: socket, allowed: 'a connected net.Socket without TLS' })
    const target = new TransferTarget(fd, socket, options)
    ofSockets.set(socket, target)
    return target
  }

  /** For any descriptor that can be written to; the caller closes its own. Nobody else may write to it while a transfer runs. */
  static ofDescriptor(fd: number, options?: TransferTargetOptions): TransferTarget {
    if (!Number.isInteger(fd) || fd < 0)
      throw storeError('INVALID_ARGUMENT', { what: 'fd', value: fd, allowed: 'the number of an open descriptor' })
    return new TransferTarget(fd, undefined, options)
  }

  private constructor(fd: number, socket: Socket | undefined, options: TransferTargetOptions = {}) {
    checkObject('options', options)
    const { stallTimeoutMs = 120_000 } = options
    if (!Number.isInteger(stallTimeoutMs) || stallTimeoutMs < 0)
      throw storeError('INVALID_ARGUMENT', { what: 'stallTimeoutMs', value: stallTimeoutMs, allowed: 'whole milliseconds, 0 for never' })
    if (!begun)
      binding.beginTransfers((id, items, error) => {
        const target = targets.get(id)
        if (target !== undefined) target.#onProgress(items, error)
      })
    begun = true
    this.#id = binding.openTarget(fd, stallTimeoutMs)
    this.#socket = socket
    targets.set(this.#id, this)
    if (socket === undefined) return
    socket.once('close', this.#onClose)
    const end = socket.end
    socket.end = ((...args: Parameters<Socket['end']>) => {
      this.#whenIdle(() => end.apply(socket, args))
      return socket
    }) as Socket['end']
  }

  /** Sends bytes after all that was given before, without a store. They are copied. Settles like a transfer. */
  write(bytes: Uint8Array): Promise<number> {
    if (!(bytes instanceof Uint8Array))
      return Promise.reject(storeError('INVALID_ARGUMENT', { what: 'bytes', value: bytes, allowed: 'a Uint8Array' }))
    return this.send({ native: undefined, head: bytes, ranges: undefined, way: 'chosen' })
  }

  /** Nothing of what was given to it is on its way any more. */
  get idle(): boolean {
    return this.#queued.length === 0 && !this.#busy
  }

  /** Forgets what is not out yet, and lets go of the descriptor; the socket itself stays as it is. What waits rejects. */
  close(): void {
    this.#fail(storeError('TRANSFER_FAILED', { reason: 'the target was closed' }), false)
  }

  /** @internal */
  send(job: TransferJob): Promise<number> {
    return new Promise((resolve, reject) => {
      let bytes = job.head?.length ?? 0
      for (let i = 1; job.ranges !== undefined && i < job.ranges.length; i += 2) bytes += job.ranges[i] as number
      const settling = { resolve, reject, bytes }
      if (this.#busy) this.#later.push(() => this.#start(job, settling))
      else this.#start(job, settling)
    })
  }

  #start(job: TransferJob, settling: Settling): void {
    const socket = this.#socket
    if (this.#failed !== undefined || socket === undefined || this.#corked || socket.writableLength === 0) {
      this.#hand(job, settling, true)
    } else {
      // Called when all before it is with the kernel, or never will be.
      const flushed = new Promise<void>((resolve) => socket.write(EMPTY, () => resolve()))
      this.#wait(flushed, () => this.#hand(job, settling, true))
    }
  }

  /** Gives a job to the addon, which sends what the descriptor takes at once. */
  #hand(job: TransferJob, settling: Settling, cachedOnly: boolean): void {
    if (this.#failed !== undefined) {
      settling.reject(this.#failed)
      return
    }
    const { native, head, ranges, way } = job
    try {
      const outcome = binding.transfer(this.#id, native, head, ranges, WAYS.indexOf(way), cachedOnly)
      if (outcome === OUT) settling.resolve(settling.bytes)
      else if (outcome === QUEUED) this.#await(settling)
      else this.#readFirst(job, settling)
    } catch (error) {
      settling.reject(error as Error)
      // RANGE_GONE and the like concern this job alone: nothing of it was sent.
      if (endsAll(error)) this.#fail(error as Error)
    }
  }

  #await(settling: Settling): void {
    this.#queued.push(settling)
    hold(1)
    if (!this.#corked) this.#socket?.cork()
    this.#corked = true
  }

  #readFirst(job: TransferJob, settling: Settling): void {
    const read = binding.readIn(job.native as NativeStore, job.ranges as Float64Array)
    this.#wait(read, () => this.#hand(job, settling, false), settling.reject)
  }

  #wait(before: Promise<unknown>, then: () => void, rejected?: (error: Error) => void): void {
    this.#busy = true
    const goOn = (step: () => void) => {
      this.#busy = false
      step()
      while (!this.#busy) {
        const next = this.#later.shift()
        if (next === undefined) break
        next()
      }
      this.#settle()
    }
    before.then(
      () => goOn(then),
      (error) => goOn(() => rejected?.(error as Error)),
    )
  }

  #onProgress(items: number, error: Error | undefined): void {
    const out = this.#queued.splice(0, items)
    hold(-out.length)
    for (const { resolve, bytes } of out) resolve(bytes)
    if (error !== undefined) this.#fail(error)
    this.#settle()
  }

  /** When nothing is on its way, what the program wrote meanwhile is the socket's again. */
  #settle(): void {
    if (!this.idle) return
    if (this.#corked) this.#socket?.uncork()
    this.#corked = false
    for (const step of this.#idle.splice(0)) step()
  }

  #whenIdle(step: () => void): void {
    if (this.idle) step()
    else this.#idle.push(step)
  }

  #fail(error: Error, destroy = true): void {
    if (this.#failed !== undefined) return
    this.#failed = error
    targets.delete(this.#id)
    binding.closeTarget(this.#id)
    // An answer that was cut in the middle must not be followed by another.
    const cut = this.#queued.length > 0
    const queued = this.#queued.splice(0)
    hold(-queued.length)
    for (const { reject } of queued) reject(error)
    if (this.#socket !== undefined) {
      ofSockets.delete(this.#socket)
      this.#socket.off('close', this.#onClose)
      if (destroy || cut) this.#socket.destroy()
    }
    this.#settle()
  }
}

/** @internal */
export function checkTransfer(target: TransferTarget, what: TransferOptions, native: NativeStore): TransferJob {
  checkObject('what', what)
  const { head, ranges: given, way = 'chosen' } = what
  const ranges = given instanceof Float64Array ? given : given?.ranges
  const refuse = (name: string, value: unknown, allowed: string) => storeError('INVALID_ARGUMENT', { what: name, value, allowed })
  if (!(target instanceof TransferTarget)) throw refuse('target', target, 'a TransferTarget')
  if (head !== undefined && !(head instanceof Uint8Array)) throw refuse('head', head, 'a Uint8Array')
  if (!WAYS.includes(way)) throw refuse('way', way, "'chosen', 'sendfile' or 'writev'")
  const whole =
    ranges instanceof Float64Array && ranges.length % 2 === 0 && ranges.every((number) => Number.isSafeInteger(number) && number >= 0)
  if (given !== undefined && !whole)
    throw refuse('ranges', given, 'a page of pullRanges, or log offsets and sizes, alternating, in a Float64Array')
  return { native, head, ranges, way }
}

function handleOf(socket: Socket): { fd?: number } | undefined {
  return (socket as unknown as { _handle?: { fd?: number } })._handle
}

function endsAll(error: unknown): boolean {
  return error instanceof StoreError && (error.code === 'TRANSFER_FAILED' || error.code === 'PAGE_UNREADABLE')
}

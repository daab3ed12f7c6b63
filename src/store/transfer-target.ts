/**
 * Where ranges of the log are sent to: a socket or another descriptor, in order, by the kernel alone where that is the faster way.
 *
 * The addon writes to a duplicate of the descriptor. So that its bytes and Node's never mix, it begins only when the socket has nothing queued, and
 * while it is not done what the program writes to the socket waits in the socket (`cork`), and so does its `end`.
 *
 * What is given in one turn of the event loop leaves together: the reader is woken less often.
 */
import { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { storeError } from '../errors.js'
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

interface Given {
  readonly job: TransferJob
  readonly bytes: number
  resolve(bytes: number): void
  reject(error: Error): void
  /** Its ranges have been read in. */
  read: boolean
}

const WAYS: readonly TransferWay[] = ['chosen', 'sendfile', 'writev']
const EMPTY = new Uint8Array(0)
/** So much, of so many, does not wait for the turn's end. */
const TURN_BYTES = 1 << 20
const TURN_JOBS = 64

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
  /** With the addon, leaving at the turn's end. */
  #added: Given[] = []
  #addedBytes = 0
  #due = false
  /** Behind them, oldest first: they wait for the disk, or for what the socket had queued. */
  readonly #later: Given[] = []
  #waiting = false
  /** Given to the descriptor, which has not taken all yet; oldest first. */
  readonly #queued: Given[] = []
  readonly #idle: (() => void)[] = []
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
    return this.#added.length === 0 && this.#later.length === 0 && this.#queued.length === 0
  }

  /** Forgets what is not out yet, and lets go of the descriptor; the socket itself stays as it is. What waits rejects. */
  close(): void {
    this.#fail(storeError('TRANSFER_FAILED', { reason: 'the target was closed' }), false)
  }

  /** @internal */
  send(job: TransferJob): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.#failed !== undefined) {
        reject(this.#failed)
        return
      }
      const { head, ranges } = job
      let bytes = head?.length ?? 0
      if (ranges !== undefined) for (let i = 1; i < ranges.length; i += 2) bytes += ranges[i] as number
      const given = { job, bytes, resolve, reject, read: false }
      if (!this.#waiting && this.#mayWrite()) {
        this.#add(given)
        if (this.#addedBytes >= TURN_BYTES || this.#added.length >= TURN_JOBS) this.#send()
        return
      }
      this.#later.push(kept(given))
      if (!this.#waiting) this.#wait(this.#socketEmpty(this.#socket as Socket))
    })
  }

  /** Whether the descriptor is ours; then it stays so until all is out. */
  #mayWrite(): boolean {
    const socket = this.#socket
    if (socket === undefined || this.#corked) return true
    if (socket.writableLength > 0) return false
    this.#cork(socket)
    return true
  }

  #cork(socket: Socket): void {
    socket.cork()
    this.#corked = true
  }

  /** Settles when nothing of the socket's own is on its way, and what the program writes from then on waits. */
  async #socketEmpty(socket: Socket): Promise<void> {
    // Called when all before it is with the kernel, or never will be.
    await new Promise<void>((resolve) => socket.write(EMPTY, () => resolve()))
    this.#cork(socket)
    // What the program wrote behind it may have begun to leave. No event tells when it has.
    while ((handleOf(socket)?.writeQueueSize ?? 0) > 0) await sleep(1)
  }

  #add(given: Given): void {
    const { native, head, ranges, way } = given.job
    try {
      if (!binding.addTransfer(this.#id, native, head, ranges, WAYS.indexOf(way), !given.read)) {
        this.#readIn(kept(given))
        return
      }
    } catch (error) {
      given.reject(error as Error) // it concerns this one alone: nothing of it was sent
      this.#settle()
      return
    }
    this.#added.push(given)
    this.#addedBytes += given.bytes
    if (this.#due) return
    this.#due = true
    process.nextTick(this.#atTurnsEnd)
  }

  readonly #atTurnsEnd = () => {
    this.#due = false
    this.#send()
  }

  /** To the kernel, as much as the descriptor takes. */
  #send(): void {
    const added = this.#added
    if (added.length === 0 || this.#failed !== undefined) return
    this.#added = []
    this.#addedBytes = 0
    try {
      if (binding.sendTransfers(this.#id)) {
        for (const { resolve, bytes } of added) resolve(bytes)
        this.#settle()
        return
      }
      this.#await(added)
    } catch (error) {
      this.#await(added)
      this.#fail(error as Error)
    }
  }

  #await(sent: Given[]): void {
    this.#queued.push(...sent)
    hold(sent.length)
  }

  /** Into memory first; what comes after it waits. */
  #readIn(given: Given): void {
    const { native, ranges } = given.job
    const read = binding.readIn(native as NativeStore, ranges as Float64Array)
    this.#later.unshift(given)
    this.#wait(
      read.then(
        () => {
          given.read = true
        },
        (error) => {
          if (this.#later[0] === given) this.#later.shift()
          given.reject(error as Error)
        },
      ),
    )
  }

  #wait(before: Promise<void>): void {
    this.#waiting = true
    void before.then(() => {
      this.#waiting = false
      while (!this.#waiting && this.#later.length > 0) this.#add(this.#later.shift() as Given)
      this.#settle()
    })
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
    for (const { reject } of [...queued, ...this.#added.splice(0), ...this.#later.splice(0)]) reject(error)
    if (this.#socket !== undefined) {
      ofSockets.delete(this.#socket)
      this.#socket.off('close', this.#onClose)
      if (destroy || cut) this.#socket.destroy()
    }
    this.#settle()
  }
}

/** With a head of its own: the caller's may change. */
function kept(given: Given): Given {
  const { job } = given
  return job.head === undefined ? given : { ...given, job: { ...job, head: new Uint8Array(job.head) } }
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
  const whole = ranges instanceof Float64Array && ranges.length % 2 === 0 && areOffsets(ranges)
  if (given !== undefined && !whole)
    throw refuse('ranges', given, 'a page of pullRanges, or log offsets and sizes, alternating, in a Float64Array')
  return { native, head, ranges, way }
}

/** (Not `every`: its call for each number takes longer than the rest of the look.) */
function areOffsets(numbers: Float64Array): boolean {
  for (let i = 0; i < numbers.length; i++) {
    const number = numbers[i] as number
    if (!(Number.isSafeInteger(number) && number >= 0)) return false
  }
  return true
}

interface Handle {
  readonly fd?: number
  /** Bytes that are not with the kernel. */
  readonly writeQueueSize?: number
}

function handleOf(socket: Socket): Handle | undefined {
  return (socket as unknown as { _handle?: Handle })._handle
}

/**
 * Plain requests of the remoting protocol: what nearly all of a broker's are. Sends go from a socket's bytes to records and answers in one crossing, pulls to the
 * ranges of the log that they are answered with, in none. The core reads the frames and writes the answers (native/wire); whatever is unusual it leaves, and
 * whatever the store refuses it gives back.
 */
import type { NativePlainRequests, NativeSocket, NativeStore } from '../native/binding.js'
import { binding } from '../native/binding.js'
import type { TagFilter } from './tag-filter.js'
import type { AppendStatus } from './types.js'

export interface PlainRequestsOptions {
  /** MSG_REGION of answers, as JSON. */
  regionJson: string
  /** TRACE_ON. */
  traceOn: boolean
  /** Added to each message as the property CLUSTER. */
  cluster: string
  maxBodyBytes: number
  /** Of answers. */
  version: number
}

export interface TakenFrames {
  /** Of those given, from the start: whole frames. */
  readonly bytes: number
  readonly frames: number
  /** What becomes of them under a flush policy that waits; undefined where they are as safe as they will be. */
  readonly status: Promise<AppendStatus> | undefined
  /** Back to back, those that are not sent yet; undefined where there are none. */
  readonly answers: Buffer | undefined
  /** Frames among those taken that the store refused: place and bytes, alternating. */
  readonly refused: readonly number[]
}

/** Pulls of a group, of a topic. */
export interface PlainPull {
  readonly group: string
  readonly topic: string
  /** Those that say so, or undefined: those that say nothing of it. */
  readonly subscription: string | undefined
  /** What they get. */
  readonly filter: TagFilter
  /** An id that the next pull is suggested; where this broker lags far behind. */
  readonly broker: number
  readonly slowBroker: number
}

/** What a pull says beside its PlainPull and its offset. */
export interface PullDetails {
  readonly queueId: number
  readonly sysFlag: number
  readonly subVersion: number
  readonly commitOffset: number
}

/** A pull that waits for messages, beside its PlainPull. */
export interface PullInWaiting {
  readonly queueId: number
  /** There is nothing for it below. */
  readonly offset: number
  readonly maxMessages: number
  readonly opaque: number
}

/** One that is to wait, for so many milliseconds at most. */
export interface SuspendedPull extends PullInWaiting {
  readonly suspendMs: number
}

export interface PlainSocketOptions {
  /** 8 or 20 bytes, as in a record. */
  bornHost: Uint8Array
  /** Read already: the beginning of a frame, 16 KiB at most, or nothing. */
  begun: Uint8Array
  /** Asked before each read: are sends taken, are pulls? */
  mayTake: () => { sends: boolean; pulls: boolean }
  /** Asked before a pull is answered. `waiting`: there is nothing for it yet; true: it waits, and is to be answered later. */
  admit: (pull: PlainPull, details: PullDetails, waiting: SuspendedPull | undefined) => boolean
  /** Messages have arrived where they were awaited. */
  onArrival: (topic: string, queueId: number) => void
  /**
   * What else has come; answers that the socket has not taken; and, when nothing more comes, an errno or 0. `ranges` of the log (offset and size, alternating)
   * belong behind what is unsent. After it nothing is taken until the socket is given back.
   */
  onRead: (rest: Buffer | undefined, unsent: Buffer | undefined, ended: number | undefined, ranges: Float64Array | undefined) => void
}

/** A socket that the core reads: plain requests are taken and answered where they come in, with hardly a step of JavaScript for each. */
export class PlainSocket {
  readonly #native: NativeSocket

  /** @internal */
  constructor(native: NativeSocket) {
    this.#native = native
  }

  /** @internal */
  answer(number: number, { queueId, offset, maxMessages, opaque }: PullInWaiting): boolean {
    return binding.answerPull(this.#native, number, queueId, offset, maxMessages, opaque)
  }

  pause(): void {
    binding.listenSocket(this.#native, false)
  }

  resume(): void {
    binding.listenSocket(this.#native, true)
  }

  /** Nothing is taken until it is given back: something else is to be written to the socket. */
  handOver(): void {
    binding.handOver(this.#native)
  }

  /** With the beginning of a frame that its owner was left with, 16 KiB at most, or nothing: then nothing of this socket is in anybody's hands. */
  giveBack(begun: Uint8Array): void {
    binding.giveBack(this.#native, begun)
  }

  /** For so many milliseconds nothing has come. */
  get quietMs(): number {
    return binding.quietMs(this.#native)
  }

  /** Lets go of it. Whose the socket is closes his own descriptor. */
  close(): void {
    binding.closeSocket(this.#native)
  }
}

/** Bits of what a gate says. */
const SENDS = 1
const PULLS = 2
const [BYTES, FRAMES, LOG_END, REFUSED, ARRIVED, NUMBERS] = [0, 1, 2, 3, 4, 5]
const MOST_PAIRS = 1024
const MOST_PULLS = 4096
const NONE: readonly never[] = []

export class PlainRequests {
  readonly #native: NativePlainRequests
  /** By number. */
  readonly #topics: string[] = []
  readonly #numbersOf = new Map<string, number>()
  /** By number, by their words, and the other way round. */
  readonly #pulls: PlainPull[] = []
  readonly #pullNumbers = new Map<string | PlainPull, number>()
  /** Undefined where nothing is waited for. */
  readonly #acknowledged: ((logOffset: number) => Promise<AppendStatus>) | undefined
  readonly #numbers = new Float64Array(NUMBERS + 4 * MOST_PAIRS)

  /** @internal */
  constructor(store: NativeStore, options: PlainRequestsOptions, acknowledged: ((logOffset: number) => Promise<AppendStatus>) | undefined) {
    this.#native = binding.createPlainRequests(store, options)
    this.#acknowledged = acknowledged
  }

  /** From now on sends to the queues below `queues` of a topic are plain; with 0 none. */
  setTopic(topic: string, queues: number): void {
    if (queues > 0 || this.#numbersOf.has(topic)) this.#native.setTopic(topic, this.#numberOf(topic), queues)
  }

  /** Whoever takes the next send to this queue hears of it: `onArrival`, or `arrivals()`. Said once for each time. */
  awaitArrival(topic: string, queueId: number): void {
    this.#native.awaitArrival(this.#numberOf(topic), queueId)
  }

  #numberOf(topic: string): number {
    let number = this.#numbersOf.get(topic)
    if (number === undefined) {
      number = this.#topics.push(topic) - 1
      this.#numbersOf.set(topic, number)
    }
    return number
  }

  /**
   * Takes plain sends from the start of the bytes, to the first frame that is none or is not whole. `bornHost`: 8 or 20 bytes, as in a record. `fd`: of the socket
   * that the answers belong to, where it has nothing queued, and -1 elsewhere: what it takes at once is sent there, unless the flush is waited for.
   */
  take(bytes: Uint8Array, bornHost: Uint8Array, fd = -1): TakenFrames {
    const numbers = this.#numbers
    const answers = this.#native.take(bytes, bornHost, numbers, this.#acknowledged === undefined ? fd : -1)
    const logEnd = numbers[LOG_END] as number
    const refused = numbers[REFUSED] as number
    return {
      bytes: numbers[BYTES] as number,
      frames: numbers[FRAMES] as number,
      status: logEnd === 0 ? undefined : this.#acknowledged?.(logEnd),
      answers,
      refused: refused === 0 ? NONE : Array.from(numbers.subarray(NUMBERS, NUMBERS + 2 * refused)),
    }
  }

  /**
   * From now on pulls of this group and topic with this subscription are plain, and get what `filter` lets through; what was said of them before is forgotten.
   * Returns what holds now: what was said before, where it is the same.
   */
  setPull(pull: PlainPull): PlainPull {
    const { group, topic, subscription, filter, broker, slowBroker } = pull
    const words = JSON.stringify([group, topic, subscription])
    let number = this.#pullNumbers.get(words)
    const before = number === undefined ? undefined : this.#pulls[number]
    if (before?.filter === filter && before.broker === broker && before.slowBroker === slowBroker) return before
    if (before !== undefined) this.#pullNumbers.delete(before)
    else if (this.#pulls.length >= MOST_PULLS) {
      this.#native.clearPulls()
      this.#pulls.length = 0
      this.#pullNumbers.clear()
    }
    number ??= this.#pulls.length
    this.#pulls[number] = pull
    this.#pullNumbers.set(words, number).set(pull, number)
    const tags = filter.all ? undefined : binding.createTags(filter.tags)
    this.#native.setPull(number, group, topic, subscription, tags, broker, slowBroker)
    return pull
  }

  /** Answers a pull that has waited, with what there is. False where that can't be done here: the socket is in other hands, the pull is not plain any more, or there is nothing for it. */
  answer(socket: PlainSocket, pull: PlainPull, waiting: PullInWaiting): boolean {
    const number = this.#pullNumbers.get(pull)
    return number !== undefined && socket.answer(number, waiting)
  }

  /** Whether sends are answered before anything is waited for: only then they are taken where they come in. */
  get answersAtOnce(): boolean {
    return this.#acknowledged === undefined
  }

  /**
   * Reads a socket from now on, by a duplicate of its descriptor; nobody else may read it until that is closed, and who writes to it hands it over first.
   * Undefined where there is no descriptor to be had.
   */
  watch(fd: number, { bornHost, begun, mayTake, admit, onArrival, onRead }: PlainSocketOptions): PlainSocket | undefined {
    const native = this.#native.watch(
      fd,
      bornHost,
      begun,
      () => {
        const { sends, pulls } = mayTake()
        return (sends && this.answersAtOnce ? SENDS : 0) | (pulls ? PULLS : 0)
      },
      (number, queueId, sysFlag, subVersion, commitOffset, offset = -1, maxMessages = 0, opaque = 0, suspendMs = 0) => {
        const pull = this.#pulls[number]
        const waiting = offset < 0 ? undefined : { queueId, offset, maxMessages, opaque, suspendMs }
        return pull !== undefined && admit(pull, { queueId, sysFlag, subVersion, commitOffset }, waiting) ? 1 : 0
      },
      (rest, unsent, ended, arrivals = NONE, ranges = undefined) => {
        for (let i = 0; i < arrivals.length; i += 2) onArrival(this.#topics[arrivals[i] as number] as string, arrivals[i + 1] as number)
        if (rest === undefined && unsent === undefined && ended === undefined && ranges === undefined) return
        onRead(rest, unsent, ended, ranges && Float64Array.from(ranges))
      },
    )
    return native && new PlainSocket(native)
  }

  /** Frames that were taken from sockets that are watched. */
  get takenFromSockets(): number {
    return this.#native.taken()
  }

  /** Where those of the last `take` have arrived and were awaited. */
  *arrivals(): IterableIterator<{ topic: string; queueId: number }> {
    const from = NUMBERS + 2 * (this.#numbers[REFUSED] as number)
    const end = from + 2 * (this.#numbers[ARRIVED] as number)
    for (let i = from; i < end; i += 2)
      yield { topic: this.#topics[this.#numbers[i] as number] as string, queueId: this.#numbers[i + 1] as number }
  }
}

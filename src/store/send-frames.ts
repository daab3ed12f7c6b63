/**
 * Plain sends of the remoting protocol, from a socket's bytes to records and answers in one crossing: what nearly all requests of a broker are. The core reads
 * the frames and writes the answers (native/wire); whatever is unusual it leaves, and whatever the store refuses it gives back.
 */
import type { NativeSends, NativeSocket, NativeStore } from '../native/binding.js'
import { binding } from '../native/binding.js'
import type { AppendStatus } from './types.js'

export interface SendFramesOptions {
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

export interface SendSocketOptions {
  /** 8 or 20 bytes, as in a record. */
  bornHost: Uint8Array
  /** Read already: the beginning of a frame, 16 KiB at most, or nothing. */
  begun: Uint8Array
  /** Asked before each read. */
  mayTake: () => 'nothing' | 'sends' | 'sends and arrivals'
  /** Where messages have arrived, if `mayTake` has asked for it. */
  onArrival: (topic: string, queueId: number) => void
  /**
   * What else has come; answers that the socket has not taken; and, when nothing more comes, an errno or 0. After it no sends are taken, until it gives back the
   * beginning of a frame that it was left with (16 KiB at most), or an empty Buffer: then nothing of this socket is in anybody's hands.
   */
  onRead: (rest: Buffer | undefined, unsent: Buffer | undefined, ended: number | undefined) => Buffer | undefined
}

/** A socket that the core reads: plain sends are taken and answered where they come in, without a step of JavaScript for each. */
export class SendSocket {
  readonly #native: NativeSocket

  /** @internal */
  constructor(native: NativeSocket) {
    this.#native = native
  }

  pause(): void {
    binding.listenSocket(this.#native, false)
  }

  resume(): void {
    binding.listenSocket(this.#native, true)
  }

  /** No sends are taken until `onRead` gives it back: something else is to be written to the socket. */
  handOver(): void {
    binding.handOver(this.#native)
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

const MAY_TAKE = { nothing: 0, sends: 1, 'sends and arrivals': 2 }
const [BYTES, FRAMES, LOG_END, REFUSED, ARRIVALS, NUMBERS] = [0, 1, 2, 3, 4, 5]
const MOST_PAIRS = 1024
const NONE: readonly never[] = []

export class SendFrames {
  readonly #native: NativeSends
  /** By number. */
  readonly #topics: string[] = []
  readonly #numbersOf = new Map<string, number>()
  /** Undefined where nothing is waited for. */
  readonly #acknowledged: ((logOffset: number) => Promise<AppendStatus>) | undefined
  readonly #numbers = new Float64Array(NUMBERS + 4 * MOST_PAIRS)

  /** @internal */
  constructor(store: NativeStore, options: SendFramesOptions, acknowledged: ((logOffset: number) => Promise<AppendStatus>) | undefined) {
    this.#native = binding.createSends(store, options)
    this.#acknowledged = acknowledged
  }

  /** From now on sends to the queues below `queues` of a topic are plain; with 0 none. */
  setTopic(topic: string, queues: number): void {
    let number = this.#numbersOf.get(topic)
    if (number === undefined) {
      if (queues === 0) return
      number = this.#topics.push(topic) - 1
      this.#numbersOf.set(topic, number)
    }
    this.#native.setTopic(topic, number, queues)
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
   * Reads a socket from now on, by a duplicate of its descriptor; nobody else may read it until that is closed, and who writes to it hands it over first.
   * Undefined where there is no descriptor to be had, or the flush is waited for.
   */
  watch(fd: number, { bornHost, begun, mayTake, onArrival, onRead }: SendSocketOptions): SendSocket | undefined {
    if (this.#acknowledged !== undefined) return undefined
    const native = this.#native.watch(
      fd,
      bornHost,
      begun,
      () => MAY_TAKE[mayTake()],
      (rest, unsent, ended, arrivals = NONE) => {
        for (let i = 0; i < arrivals.length; i += 2) onArrival(this.#topics[arrivals[i] as number] as string, arrivals[i + 1] as number)
        return rest === undefined && unsent === undefined && ended === undefined ? undefined : onRead(rest, unsent, ended)
      },
    )
    return native && new SendSocket(native)
  }

  /** Frames that were taken from sockets that are watched. */
  get takenFromSockets(): number {
    return this.#native.taken()
  }

  /** Where those of the last `take` have arrived, for whoever waits there. */
  *arrivals(): IterableIterator<{ topic: string; queueId: number }> {
    const from = NUMBERS + 2 * (this.#numbers[REFUSED] as number)
    const end = from + 2 * (this.#numbers[ARRIVALS] as number)
    for (let i = from; i < end; i += 2)
      yield { topic: this.#topics[this.#numbers[i] as number] as string, queueId: this.#numbers[i + 1] as number }
  }
}

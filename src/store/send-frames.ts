/**
 * Plain sends of the remoting protocol, from a socket's bytes to records and answers in one crossing: what nearly all requests of a broker are. The core reads
 * the frames and writes the answers (native/wire); whatever is unusual it leaves, and whatever the store refuses it gives back.
 */
import type { NativeSends, NativeStore } from '../native/binding.js'
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

  /** Where those of the last `take` have arrived, for whoever waits there. */
  *arrivals(): IterableIterator<{ topic: string; queueId: number }> {
    const from = NUMBERS + 2 * (this.#numbers[REFUSED] as number)
    const end = from + 2 * (this.#numbers[ARRIVALS] as number)
    for (let i = from; i < end; i += 2)
      yield { topic: this.#topics[this.#numbers[i] as number] as string, queueId: this.#numbers[i + 1] as number }
  }
}

/**
 * Pulls that found nothing and wait for it: RocketMQ's PullRequestHoldService. One that waits is looked at again at the end of a turn in which something has
 * arrived in its queue, and every few seconds; then it is answered if there is anything for it, or its time is up. In a flow of messages those that come within
 * a millisecond are looked for together.
 */
import type { Connection } from '../remoting/connection.js'

export interface HeldPull {
  readonly topic: string
  readonly queueId: number
  readonly connection: Connection
  /** Unix milliseconds: then it is answered, with nothing if need be. */
  readonly untilMs: number
  /** What it waits for has this queue offset, or a later one. */
  readonly offset: number
  /** There is nothing for it below; moved on by `tryAgain`. */
  seenTo: number
  /** Tries again. False, and it goes on waiting, where there is nothing for it. `last`: it is answered whatever there is. */
  tryAgain(last: boolean): boolean | Promise<boolean>
  /** Trying has failed: that is its answer. */
  fail(error: Error): void
}

export interface HeldPullsOptions {
  readonly now: () => number
  /** How often all are looked at. */
  readonly sweepMs: number
  /** More do not wait. */
  readonly most: number
  /** Where a queue ends. */
  readonly endOf: (topic: string, queueId: number) => number
  /** The next arrival in a queue must be told to `arrived`. */
  readonly onWait: (topic: string, queueId: number) => void
}

/** Between two looks at those that wait: who is woken for each message of a flow, and not for a few of them, spends its time on that. RocketMQ looks once a millisecond. */
const GAP_MS = 1

interface Queue {
  readonly topic: string
  readonly queueId: number
  readonly pulls: Set<HeldPull>
  arrived: boolean
}

export class HeldPulls {
  readonly #options: HeldPullsOptions
  readonly #topics = new Map<string, Map<number, Queue>>()
  readonly #arrived: Queue[] = []
  #count = 0
  #lookedMs = 0
  readonly #sweeper: NodeJS.Timeout

  constructor(options: HeldPullsOptions) {
    this.#options = options
    this.#sweeper = setInterval(() => this.sweep(), options.sweepMs).unref()
  }

  get count(): number {
    return this.#count
  }

  /** False where too many wait. */
  hold(pull: HeldPull): boolean {
    if (this.#count >= this.#options.most) return false
    const { topic, queueId } = pull
    const queues = this.#topics.get(topic) ?? new Map<number, Queue>()
    this.#topics.set(topic, queues)
    const queue = queues.get(queueId) ?? { topic, queueId, pulls: new Set(), arrived: false }
    queues.set(queueId, queue)
    queue.pulls.add(pull)
    this.#count++
    // Of those that come later the first hears: all are out of the set when they are tried.
    if (queue.pulls.size === 1) this.#options.onWait(topic, queueId)
    // Something may have come between the look and now.
    if (this.#options.endOf(topic, queueId) > pull.seenTo) this.arrived(topic, queueId)
    return true
  }

  /** Something has been put into a queue. */
  arrived(topic: string, queueId: number): void {
    if (this.#count === 0) return
    const queue = this.#topics.get(topic)?.get(queueId)
    if (queue === undefined || queue.arrived) return
    queue.arrived = true
    this.#arrived.push(queue)
    // Once for all that a turn, or in a flow a millisecond, brings.
    if (this.#arrived.length > 1) return
    if (performance.now() - this.#lookedMs < GAP_MS) setTimeout(() => this.#lookAgain(), GAP_MS)
    else setImmediate(() => this.#lookAgain())
  }

  /** As every few seconds: whoever has anything at or behind its offset is answered, matching or not, so that it does not look through the same again. */
  sweep(): void {
    const now = this.#options.now()
    for (const queue of this.#queues()) {
      const end = this.#options.endOf(queue.topic, queue.queueId)
      for (const pull of queue.pulls) {
        if (pull.connection.closed) this.#remove(queue, pull)
        else if (end > pull.offset || now >= pull.untilMs) void this.#try(queue, pull, true)
      }
    }
  }

  /** Settles when whoever waits has been answered with what there is. */
  async stop(): Promise<void> {
    clearInterval(this.#sweeper)
    await Promise.all(this.#queues().flatMap((queue) => [...queue.pulls].map((pull) => this.#try(queue, pull, true))))
  }

  #queues(): Queue[] {
    return [...this.#topics.values()].flatMap((queues) => [...queues.values()])
  }

  #lookAgain(): void {
    this.#lookedMs = performance.now()
    for (const queue of this.#arrived.splice(0)) {
      queue.arrived = false
      for (const pull of queue.pulls) void this.#try(queue, pull, false)
    }
  }

  async #try(queue: Queue, pull: HeldPull, last: boolean): Promise<void> {
    // Out of the set while it is asked: it is answered once.
    this.#remove(queue, pull)
    try {
      const answered = await pull.tryAgain(last)
      // Others may have taken its place meanwhile.
      if (!answered && !pull.connection.closed && !this.hold(pull)) await pull.tryAgain(true)
    } catch (error) {
      pull.fail(error as Error)
    }
  }

  #remove({ topic, queueId, pulls }: Queue, pull: HeldPull): void {
    if (!pulls.delete(pull)) return
    this.#count--
    if (pulls.size > 0) return
    const queues = this.#topics.get(topic)
    queues?.delete(queueId)
    if (queues?.size === 0) this.#topics.delete(topic)
  }
}

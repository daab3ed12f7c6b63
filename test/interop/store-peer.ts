/** A Java message store under remote control; `java/StorePeer.java` is the other side and documents the requests. */
import type { Found, QueueRow } from '../support/contents.js'
import type { Release } from './java-peer.js'
import { LinePeer } from './line-peer.js'
import type { Put, Step } from './plan.js'
import type { Row } from './rows.js'

/** RocketMQ's setting names; the same object serves both sides. */
export type Settings = Record<string, number | string | boolean>

export interface Opened {
  loaded: boolean
  cleanBefore: boolean
  minOffset: number
  maxOffset: number
}

export interface Outcome {
  status: string
  logOffset: number
  queueOffset: number
  size: number
  storeTimestamp: number
  messageId: string
}

export interface PullRequest {
  topic: string
  queueId: number
  offset: number
  maxMessages: number
  tags?: string
}

export interface PullRow {
  status: string
  nextOffset: number
  minOffset: number
  maxOffset: number
  logOffsets: number[]
}

export interface QueryRequest {
  topic: string
  key: string
  maxMessages: number
  begin: number
  end: number
}

export interface QueryRow extends QueryRequest {
  logOffsets: number[]
}

export interface Checked extends Opened {
  records: Found[]
  queues: QueueRow[]
  /** Log offsets for each query. */
  answers: number[][]
}

export interface FloodOptions {
  messages: readonly Put[]
  /** Number of the first message; a message's key is `j` and its number. */
  from: number
  /** How long after the first message Java halts itself without a shutdown, or is killed; one of the two. */
  haltAfterMs?: number
  killAfterMs?: number
  onAcknowledged: (outcome: Outcome & { number: number }) => void
}

export class StorePeer {
  readonly #peer: LinePeer

  private constructor(peer: LinePeer) {
    this.#peer = peer
  }

  static async start(release: Release = '4.9.7'): Promise<StorePeer> {
    return new StorePeer(await LinePeer.start('StorePeer', [], { release }))
  }

  get pid(): number | undefined {
    return this.#peer.pid
  }

  /** Loads and starts the store in `dir`; a lock that somebody else holds is an error. */
  open(dir: string, settings: Settings): Promise<Opened> {
    return this.#peer.ask({ do: 'open', dir, settings })
  }

  /** Starts the store in `dir` unloaded, which takes its lock before all else, and keeps it until the process ends. */
  startUnloaded(dir: string): Promise<true> {
    return this.#peer.ask({ do: 'start', dir })
  }

  put(steps: readonly Step[]): Promise<Outcome[]> {
    return this.#peer.ask({ do: 'put', steps })
  }

  /** Puts messages until Java dies, and reports each that was acknowledged. Resolves when the process is gone. */
  async flood({ messages, from, haltAfterMs, killAfterMs, onAcknowledged }: FloodOptions): Promise<void> {
    this.#peer.send({ do: 'flood', messages, from, haltAfterMs })
    for (let line = await this.#peer.line(); line !== undefined; line = await this.#peer.line()) {
      if (!line.endsWith('}}')) continue // it died while it wrote
      const { answer, error } = JSON.parse(line)
      if (error) throw new Error(`Java: ${error}`)
      if (answer.status === 'PUT_OK') onAcknowledged(answer)
      if (answer.number === from && killAfterMs !== undefined) setTimeout(() => this.#peer.kill(), killAfterMs)
    }
    await this.#peer.ended()
  }

  records(): Promise<Row[]> {
    return this.#peer.ask({ do: 'records' })
  }

  queues(): Promise<QueueRow[]> {
    return this.#peer.ask({ do: 'queues' })
  }

  pull(pulls: readonly PullRequest[]): Promise<PullRow[]> {
    return this.#peer.ask({ do: 'pull', pulls })
  }

  /** Where the messages of each key lie that Java's index finds, in the log's order. It finds one that has the key twice twice; here it is once. */
  async query(queries: readonly QueryRequest[]): Promise<QueryRow[]> {
    const found = await this.#peer.ask<number[][]>({ do: 'query', queries })
    return queries.map((query, i) => ({ ...query, logOffsets: [...new Set(found[i])] }))
  }

  close(): Promise<{ abortLeft: boolean }> {
    return this.#peer.ask({ do: 'close' })
  }

  /** Loads the store in `dir`, tells what is in it, and destroys it. */
  check(dir: string, settings: Settings, queries: readonly QueryRequest[] = []): Promise<Checked> {
    return this.#peer.ask({ do: 'check', dir, settings, queries })
  }

  /** Ends the process. A store still open is left as a crash would leave it. */
  end(): Promise<void> {
    return this.#peer.end()
  }
}

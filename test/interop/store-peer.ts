/** A Java message store under remote control; `java/StorePeer.java` is the other side and documents the requests. */
import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Found, QueueRow } from '../support/contents.js'
import { exitCode } from '../support/exit-code.js'
import { type Release, startJava } from './java-peer.js'
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
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>
  #complaints = ''

  private constructor(child: ChildProcess) {
    this.#child = child
    if (!child.stdout || !child.stderr) throw new Error('a peer needs its pipes')
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#complaints = (this.#complaints + text).slice(-4000)
    })
    child.stdin?.on('error', () => {}) // the peer has ended: the missing answer tells
  }

  static async start(release: Release = '4.9.7'): Promise<StorePeer> {
    return new StorePeer(await startJava('StorePeer', [], { release, stdio: 'pipe' }))
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Loads and starts the store in `dir`; a lock that somebody else holds is an error. */
  open(dir: string, settings: Settings): Promise<Opened> {
    return this.#ask({ do: 'open', dir, settings })
  }

  /** Starts the store in `dir` unloaded, which takes its lock before all else, and keeps it until the process ends. */
  startUnloaded(dir: string): Promise<true> {
    return this.#ask({ do: 'start', dir })
  }

  put(steps: readonly Step[]): Promise<Outcome[]> {
    return this.#ask({ do: 'put', steps })
  }

  /** Puts messages until Java dies, and reports each that was acknowledged. Resolves when the process is gone. */
  async flood({ messages, from, haltAfterMs, killAfterMs, onAcknowledged }: FloodOptions): Promise<void> {
    this.#send({ do: 'flood', messages, from, haltAfterMs })
    for (;;) {
      const { value, done } = await this.#lines.next()
      if (done) break
      const line = value as string
      if (!line.endsWith('}}')) continue // it died while it wrote
      const { answer, error } = JSON.parse(line)
      if (error) throw new Error(`Java: ${error}`)
      if (answer.status === 'PUT_OK') onAcknowledged(answer)
      if (answer.number === from && killAfterMs !== undefined) setTimeout(() => this.#child.kill('SIGKILL'), killAfterMs)
    }
    await exitCode(this.#child)
  }

  records(): Promise<Row[]> {
    return this.#ask({ do: 'records' })
  }

  queues(): Promise<QueueRow[]> {
    return this.#ask({ do: 'queues' })
  }

  pull(pulls: readonly PullRequest[]): Promise<PullRow[]> {
    return this.#ask({ do: 'pull', pulls })
  }

  /** Where the messages of each key lie that Java's index finds, in the log's order. It finds one that has the key twice twice; here it is once. */
  async query(queries: readonly QueryRequest[]): Promise<QueryRow[]> {
    const found = await this.#ask<number[][]>({ do: 'query', queries })
    return queries.map((query, i) => ({ ...query, logOffsets: [...new Set(found[i])] }))
  }

  close(): Promise<{ abortLeft: boolean }> {
    return this.#ask({ do: 'close' })
  }

  /** Loads the store in `dir`, tells what is in it, and destroys it. */
  check(dir: string, settings: Settings, queries: readonly QueryRequest[] = []): Promise<Checked> {
    return this.#ask({ do: 'check', dir, settings, queries })
  }

  /** Ends the process. A store still open is left as a crash would leave it. */
  async end(): Promise<void> {
    this.#child.stdin?.end()
    await exitCode(this.#child)
  }

  #send(request: object): void {
    this.#child.stdin?.write(`${JSON.stringify(request)}\n`)
  }

  async #ask<T>(request: object): Promise<T> {
    this.#send(request)
    const { value, done } = await this.#lines.next()
    if (done) throw new Error(`the Java peer ended instead of answering:\n${this.#complaints}`)
    const { answer, error } = JSON.parse(value as string)
    if (error) throw new Error(`Java: ${error}`)
    return answer
  }
}

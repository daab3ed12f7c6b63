/** A Java program under remote control: one JSON request a line, one JSON answer a line; `java/Lines.java` is the other side. */
import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { exitCode } from '../support/exit-code.js'
import { type JavaOptions, startJava } from './java-peer.js'

export class LinePeer {
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

  static async start(program: string, args: readonly string[], options: JavaOptions = {}): Promise<LinePeer> {
    return new LinePeer(await startJava(program, args, { ...options, stdio: 'pipe' }))
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  send(request: object): void {
    this.#child.stdin?.write(`${JSON.stringify(request)}\n`)
  }

  /** The next line; undefined when the peer has ended. */
  async line(): Promise<string | undefined> {
    const { value, done } = await this.#lines.next()
    return done ? undefined : value
  }

  async ask<T>(request: object): Promise<T> {
    this.send(request)
    const line = await this.line()
    if (line === undefined) throw new Error(`the Java peer ended instead of answering:\n${this.#complaints}`)
    const { answer, error } = JSON.parse(line)
    if (error) throw new Error(`Java: ${error}\n${this.#complaints}`)
    return answer
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  /** Resolves when the process is gone, whoever ended it. */
  async ended(): Promise<void> {
    await exitCode(this.#child)
  }

  /** Ends the process: what it has open is left as a crash would leave it. */
  async end(): Promise<void> {
    this.#child.stdin?.end()
    await this.ended()
  }
}

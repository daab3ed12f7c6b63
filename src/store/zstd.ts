/**
 * Zstandard off the event loop. Node 20 has none, the one of Node 22 takes a stream that is cut off for a whole one, and the native libraries fetch their
 * binaries from elsewhere: so fzstd, which is JavaScript, in a thread of its own. The thread starts with the first body and keeps no process alive.
 */
import { Worker } from 'node:worker_threads'
import { storeError } from '../errors.js'

interface Waiting {
  resolve(plain: Buffer): void
  reject(error: unknown): void
}

/** One for each environment, until it fails. */
let decompressor: Decompressor | undefined

/** What a stream decompresses to. A stream that is cut is an error, unless the cut is in the checksum behind its last block, which nothing reads. */
export async function decompressZstd(stream: Uint8Array): Promise<Buffer> {
  try {
    decompressor ??= new Decompressor()
  } catch (cause) {
    throw unusable(cause)
  }
  return decompressor.decompress(stream)
}

class Decompressor {
  /** Of plain options: what the process was started with is not for this thread. */
  readonly #worker = new Worker(new URL('./zstd-worker.js', import.meta.url), { execArgv: [] })
  /** In the order of the streams, which is that of the answers. */
  readonly #waiting: Waiting[] = []

  constructor() {
    this.#worker.unref()
    this.#worker.on('message', (answer: Uint8Array | Error) => this.#settle(answer))
    this.#worker.on('error', (error) => this.#fail(error))
    this.#worker.on('exit', (code) => this.#fail(new Error(`the thread ended with ${code}`)))
  }

  decompress(stream: Uint8Array): Promise<Buffer> {
    // A copy: the stream is a part of a page with other messages.
    const copy = Uint8Array.from(stream)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#worker.ref()
      this.#worker.postMessage(copy, [copy.buffer])
    })
  }

  #settle(answer: Uint8Array | Error): void {
    const { resolve, reject } = this.#waiting.shift() as Waiting
    if (this.#waiting.length === 0) this.#worker.unref()
    if (answer instanceof Error) reject(answer)
    else resolve(Buffer.from(answer.buffer, answer.byteOffset, answer.length))
  }

  /** The next stream gets another thread. */
  #fail(cause: Error): void {
    if (decompressor === this) decompressor = undefined
    for (const { reject } of this.#waiting.splice(0)) reject(unusable(cause))
  }
}

function unusable(cause: unknown): Error {
  return storeError('UNSUPPORTED_COMPRESSION', { reason: 'the thread that decompresses Zstandard does not run', cause })
}

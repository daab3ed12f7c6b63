/**
 * One socket of the remoting protocol, on either side: bytes to commands, commands to bytes. What is written in one turn of the event loop leaves together.
 */
import type { Socket } from 'node:net'
import { getSystemErrorName } from 'node:util'
import { type Command, readCommand, writeHead } from '../protocol/command.js'
import { FrameError, FrameReader } from '../protocol/frame.js'

/** More that the other end does not take, and none of its requests is looked at until it does. */
const MAX_UNREAD_BYTES = 16 << 20
/** The same of answers whose bodies lie outside. */
const MAX_UNREAD_ANSWERS = 1024
const LINGER_MS = 3000
const EMPTY = Buffer.alloc(0)
/** The beginning of a frame that is larger is not given to another reader. */
const MAX_BEGUN_BYTES = 16 << 10

export interface ConnectionOptions {
  onCommand: (command: Command, connection: Connection) => unknown
  /** Given bytes that begin with a whole frame, before they become commands: how many of them, whole frames, are done with. */
  onBytes?: ((bytes: Buffer, connection: Connection) => number) | undefined
  /** Offered the socket of a connection that wants a reader (`wantReader`), when nothing of it lies here: to read it from now on in Node's place, `begun` first. */
  readBy?: ((descriptor: number, begun: Buffer, connection: Connection, onRead: OnRead) => SocketReader | undefined) | undefined
  /** `reason`: why this end closed it; undefined where the other did. */
  onClose: (connection: Connection, reason: string | undefined) => void
  /** Closed after so many milliseconds without a byte in either direction. */
  idleMs: number
  /** Bytes of frames that are not whole yet, told as they change. */
  onPending?: (connection: Connection, change: number) => void
}

/** What a reader does not take; answers that the socket did not take, of which the last may go on `outside`; and, when nothing more comes, an errno or 0. After it the reader takes nothing until it is given the socket back. */
export type OnRead = (
  rest: Buffer | undefined,
  unsent: Buffer | undefined,
  ended: number | undefined,
  outside: OutsideBody | undefined,
) => void

/** Reads a socket in Node's place, and answers some of what it reads. */
export interface SocketReader {
  pause(): void
  resume(): void
  /** It answers nothing, and gives over all that comes, until it is given back. */
  handOver(): void
  /** With the beginning of a frame, or nothing. */
  giveBack(begun: Buffer): void
  readonly quietMs: number
  close(): void
}

/** What Node says of a socket nowhere else. */
interface Handle {
  readonly fd?: number
  readonly writeQueueSize?: number
  readStart?(): void
  readStop?(): void
}
const handleOf = (socket: Socket): Handle | undefined => (socket as unknown as { _handle?: Handle | null })._handle ?? undefined

/** A body that this process's memory does not have. */
export interface OutsideBody {
  readonly bytes: number
  /** Puts the head and the body on the socket, behind all that was written to it. Settles when the kernel has both; rejects where it has sent nothing, or has destroyed the socket. */
  send(socket: Socket, head: Buffer): Promise<unknown>
}

export class Connection {
  /** `ip:port` or `[ip6]:port` of the other end. */
  readonly remote: string
  readonly #socket: Socket
  readonly #reader = new FrameReader()
  readonly #options: ConnectionOptions
  #pending = 0
  #corked = false
  #outside = 0
  #wantsReader = false
  #readBy: SocketReader | undefined
  /** It takes what comes. */
  #given = false
  #paused = false
  #heardMs = 0
  #wroteMs = 0
  #reason: string | undefined
  #closed = false

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket
    this.#options = options
    const { remoteAddress = '', remotePort = 0 } = socket
    const address = remoteAddress.replace(/^::ffff:/, '')
    this.remote = `${address.includes(':') ? `[${address}]` : address}:${remotePort}`
    socket.on('data', (chunk: Buffer) => {
      this.#heard(chunk)
      this.#offer()
    })
    socket.on('error', (error) => this.close(error.message))
    socket.on('close', () => this.#gone())
    socket.on('drain', () => this.#goOn())
    socket.on('timeout', () => this.#idle()) // each time: what is given to setTimeout hears of the first alone
    socket.setTimeout(options.idleMs)
  }

  /** How long the request that is looked at has lain here, in milliseconds: the other end may have to take answers first. */
  get waitedMs(): number {
    return performance.now() - this.#heardMs
  }

  /** The socket's descriptor, for somebody who sends something at once; -1 where something else would come after it that was written before. */
  get idleDescriptor(): number {
    const handle = handleOf(this.#socket)
    const idle = this.#outside === 0 && !this.#corked && this.#socket.writableLength === 0 && !this.#closed && handle?.writeQueueSize === 0
    return idle ? (handle.fd ?? -1) : -1
  }

  /** From now on its socket is offered to `readBy`: what comes there is mostly of the kind that is answered without a command. */
  wantReader(): void {
    this.#wantsReader = true
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Dropped when the connection is closed: who waits for an answer hears of that. */
  send(command: Command): void {
    this.write(writeHead(command, command.type, command.body.length))
    if (command.body.length > 0) this.write(command.body)
  }

  /** Whole frames, or parts of them in order. */
  write(bytes: Uint8Array): void {
    const socket = this.#socket
    if (this.#closed || socket.destroyed || socket.writableEnded) return
    this.#takeBack()
    this.#wroteMs = performance.now()
    if (!this.#corked) {
      this.#corked = true
      socket.cork()
      process.nextTick(() => {
        this.#corked = false
        socket.uncork()
        this.#offer()
      })
    }
    socket.write(bytes)
  }

  /** The same for a body that lies outside; settles as its `send` does. */
  async sendOutside(command: Omit<Command, 'body'>, body: OutsideBody): Promise<void> {
    await this.#writeOutside(() => writeHead(command, command.type, body.bytes), body)
  }

  async #writeOutside(head: () => Buffer, body: OutsideBody): Promise<void> {
    if (this.#closed || this.#socket.destroyed || this.#socket.writableEnded) return
    this.#takeBack()
    this.#wroteMs = performance.now()
    this.#outside++
    try {
      await body.send(this.#socket, head())
    } finally {
      if (this.#outside-- === MAX_UNREAD_ANSWERS) this.#goOn()
      else this.#offer()
    }
  }

  /** At once; what is not with the kernel yet is lost. */
  close(reason: string): void {
    if (this.#closed) return
    this.#reason ??= reason
    this.#readBy?.close()
    this.#socket.destroy()
  }

  /** When what was sent is with the kernel, or when the other end has not taken it for a while. */
  end(): void {
    if (this.#closed) return
    this.#takeBack()
    const late = setTimeout(() => this.#socket.destroy(), LINGER_MS)
    this.#socket.end(() => this.#socket.destroy()).once('close', () => clearTimeout(late))
  }

  #heard(chunk: Buffer): void {
    this.#heardMs = performance.now()
    this.#reader.push(chunk)
    this.#work()
  }

  /** Takes the frames that are whole, as long as the other end takes what they are answered with. */
  #work(): void {
    const socket = this.#socket
    try {
      while (!socket.destroyed) {
        if (socket.writableLength > MAX_UNREAD_BYTES || this.#outside >= MAX_UNREAD_ANSWERS) {
          this.#pause()
          break
        }
        if (this.#taken()) continue
        const frame = this.#reader.next()
        if (frame === undefined) break
        this.#options.onCommand(readCommand(frame), this)
      }
    } catch (error) {
      if (!(error instanceof FrameError)) throw error
      this.close(error.message)
      return
    }
    this.#tellPending(this.#reader.pendingBytes)
  }

  #taken(): boolean {
    const { onBytes } = this.#options
    const run = onBytes === undefined ? undefined : this.#reader.run()
    const bytes = run === undefined ? 0 : (onBytes?.(run, this) ?? 0)
    if (bytes > 0) this.#reader.skip(bytes)
    return bytes > 0
  }

  /** Nothing of what was read or is to be written lies here, but the beginning of a frame; and something may still be written. */
  get #free(): boolean {
    return this.#reader.pendingBytes <= MAX_BEGUN_BYTES && !this.#paused && !this.#socket.writableEnded && this.idleDescriptor !== -1
  }

  /** To whoever reads it in Node's place. */
  #offer(): void {
    const { readBy } = this.#options
    const descriptor = this.idleDescriptor
    const handle = handleOf(this.#socket)
    if (!this.#wantsReader || this.#given || readBy === undefined || handle?.readStop === undefined || !this.#free) return
    const begun = this.#reader.takeAll()
    this.#tellPending(0)
    this.#given = true
    if (this.#readBy !== undefined) {
      this.#readBy.giveBack(begun)
      return
    }
    this.#readBy = readBy(descriptor, begun, this, (...read) => this.#onRead(...read))
    if (this.#readBy !== undefined) {
      handle.readStop() // not `pause`, after which Node's streams read ahead
      return
    }
    this.#wantsReader = this.#given = false
    this.#reader.push(begun)
  }

  #onRead(rest: Buffer | undefined, unsent: Buffer = EMPTY, ended?: number, outside?: OutsideBody): void {
    this.#given = false
    if (outside !== undefined) this.#writeOutside(() => unsent, outside).catch((error: Error) => this.close(error.message))
    else if (unsent.length > 0) this.write(unsent)
    if (rest !== undefined) this.#heard(rest)
    if (ended === 0) {
      // Node is to see the end itself.
      this.#wantsReader = false
      this.#readBy?.close()
      this.#readBy = undefined
      handleOf(this.#socket)?.readStart?.()
    } else if (ended !== undefined) this.close(`read ${getSystemErrorName(-ended)}`)
    this.#offer()
  }

  /** Something else is to be written. */
  #takeBack(): void {
    if (!this.#given) return
    this.#given = false
    this.#readBy?.handOver()
  }

  #pause(): void {
    this.#paused = true
    if (this.#readBy === undefined) this.#socket.pause()
    else this.#readBy.pause()
  }

  #goOn(): void {
    this.#paused = false
    this.#work()
    if (this.#paused) return
    if (this.#readBy === undefined) this.#socket.resume()
    else this.#readBy.resume()
    this.#offer()
  }

  #idle(): void {
    const { idleMs } = this.#options
    // Node has not seen what its reader has read and sent.
    const leftMs = this.#readBy === undefined ? 0 : idleMs - Math.min(this.#readBy.quietMs, performance.now() - this.#wroteMs)
    if (leftMs > 0) this.#socket.setTimeout(leftMs)
    else this.close(`idle for ${idleMs} ms`)
  }

  #tellPending(bytes: number): void {
    const change = bytes - this.#pending
    this.#pending = bytes
    if (change !== 0) this.#options.onPending?.(this, change)
  }

  #gone(): void {
    if (this.#closed) return
    this.#closed = true
    this.#readBy?.close()
    this.#tellPending(0)
    this.#options.onClose(this, this.#reason)
  }
}

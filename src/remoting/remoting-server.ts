/**
 * A port that answers requests of the remoting protocol: RocketMQ's NettyRemotingServer. Whatever a peer sends costs its own connection at most:
 * frames are bounded, so is what of them is not whole, over all connections too, and what a peer does not read.
 */
import { channel } from 'node:diagnostics_channel'
import { createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Command, isOneway, isResponse, responseTo } from '../protocol/command.js'
import { FieldError } from '../protocol/fields.js'
import { ResponseCode } from '../protocol/response-code.js'
import { OWN } from '../protocol/version.js'
import { Connection, type ConnectionOptions, type OutsideBody } from './connection.js'

/** What a handler answers; nothing where there is no answer. */
export interface Answer extends Partial<Pick<Command, 'code' | 'remark' | 'fields' | 'body'>> {
  /** In place of `body`. */
  readonly outside?: OutsideBody & {
    /** Answered where the body can't be had any more. */
    readonly otherwise: Answer
  }
}
/** An answer that may be long in coming: it keeps nothing of the request. */
export class LaterAnswer {
  #send: ((answer: Answer) => void) | undefined
  #answer: Answer | undefined

  /** The first one counts. */
  settle(answer: Answer): void {
    if (this.#answer !== undefined) return
    this.#answer = answer
    this.#send?.(answer)
  }

  /** @internal */
  sentBy(send: (answer: Answer) => void): void {
    this.#send = send
    if (this.#answer !== undefined) send(this.#answer)
  }
}

export type Handler = (
  request: Command,
  connection: Connection,
) => Answer | LaterAnswer | undefined | Promise<Answer | LaterAnswer | undefined>
/** What an answer needs of its request. */
export type Ticket = Pick<Command, 'opaque' | 'type' | 'flag' | 'code'>

export interface RemotingServerOptions {
  host: string
  port: number
  /** By request code. */
  handlers: ReadonlyMap<number, Handler>
  /** As ConnectionOptions have both: a shorter way for the requests that come most. Its requests are counted by whoever takes them, as long as none is `observed`. */
  onBytes?: ConnectionOptions['onBytes']
  readBy?: ConnectionOptions['readBy']
  onConnectionClosed?: (connection: Connection) => void
  /** What went wrong with a connection or a request, for the log. */
  onTrouble?: (trouble: { remote: string; reason: string; code?: number }) => void
  /** RocketMQ's serverChannelMaxIdleTimeSeconds. Default 120,000. */
  idleMs?: number
  /** Bytes of frames that are not whole, over all connections; who makes it more is closed. Default 256 MiB. */
  maxPendingBytes?: number
}

export interface RemotingServerStatistics {
  readonly connections: number
  readonly requests: number
  /** Connections that this end closed, for what they sent or left out. */
  readonly closed: number
}

const DEFAULT_IDLE_MS = 120_000
const DEFAULT_MAX_PENDING_BYTES = 256 << 20
const BACKLOG = 1024
/** How long a server that closes waits for handlers. */
const ANSWER_MS = 3000
/** Characters of an error's text: it may quote what a peer sent. */
const MAX_REMARK = 4096

/** Each request that is taken, and each that is answered. Of one connection's, `opaque` tells them apart. */
const requests = channel('millrace:request')
const answers = channel('millrace:answer')
/** Somebody wants to hear of each. */
export const observed = (): boolean => requests.hasSubscribers || answers.hasSubscribers

export class RemotingServer {
  readonly #options: RemotingServerOptions
  readonly #server: Server
  readonly #connections = new Set<Connection>()
  #pendingBytes = 0
  #requests = 0
  #closed = 0
  /** Answers that have been begun. */
  readonly #running = new Set<Promise<void>>()

  private constructor(options: RemotingServerOptions) {
    this.#options = options
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket))
  }

  /** Settles when the port listens; rejects where it can't (EADDRINUSE and the like). */
  static async listen(options: RemotingServerOptions): Promise<RemotingServer> {
    const server = new RemotingServer(options)
    await new Promise<void>((resolve, reject) => {
      server.#server.once('error', reject)
      server.#server.listen({ host: options.host, port: options.port, backlog: BACKLOG }, () => {
        server.#server.off('error', reject)
        server.#server.on('error', (error) => options.onTrouble?.({ remote: '', reason: error.message }))
        resolve()
      })
    })
    return server
  }

  get port(): number {
    const address = this.#server.address()
    return address !== null && typeof address === 'object' ? address.port : this.#options.port
  }

  get statistics(): RemotingServerStatistics {
    return { connections: this.#connections.size, requests: this.#requests, closed: this.#closed }
  }

  /** No more connections. Requests that are being answered are, for a while; then connections end when that is with the kernel. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    await Promise.race([Promise.all(this.#running), sleep(ANSWER_MS, undefined, { ref: false })])
    for (const connection of this.#connections) connection.end()
    await closed
  }

  #accept(socket: Socket): void {
    const { idleMs = DEFAULT_IDLE_MS, maxPendingBytes = DEFAULT_MAX_PENDING_BYTES } = this.#options
    const connection = new Connection(socket, {
      idleMs,
      onCommand: (command, from) => this.take(command, from),
      onBytes: this.#options.onBytes,
      readBy: this.#options.readBy,
      onClose: (gone, reason) => {
        this.#connections.delete(gone)
        if (reason !== undefined) this.#trouble(gone, reason)
        this.#options.onConnectionClosed?.(gone)
      },
      onPending: (of, change) => {
        this.#pendingBytes += change
        if (change > 0 && this.#pendingBytes > maxPendingBytes) of.close(`more than ${maxPendingBytes} bytes of frames that are not whole`)
      },
    })
    this.#connections.add(connection)
  }

  /** As if it came from the connection. */
  take(command: Command, connection: Connection): void {
    if (isResponse(command)) return // nobody waits for it
    this.#requests++
    if (requests.hasSubscribers) requests.publish({ remote: connection.remote, opaque: command.opaque, code: command.code })
    const handler = this.#options.handlers.get(command.code)
    if (handler === undefined) {
      this.answer(command, connection, {
        code: ResponseCode.REQUEST_CODE_NOT_SUPPORTED,
        remark: ` request type ${command.code} not supported`,
      })
      return
    }
    try {
      const answer = handler(command, connection)
      if (answer instanceof Promise) this.#answerSoon(command, connection, answer)
      else this.answer(command, connection, answer)
    } catch (error) {
      this.#refuse(command, connection, error)
    }
  }

  /** Answers a request that came another way than `take`. */
  answer({ opaque, type, flag, code }: Ticket, connection: Connection, answer: Answer | LaterAnswer | undefined): void {
    const ticket = { opaque, type, flag, code }
    if (answer instanceof LaterAnswer) answer.sentBy((late) => this.#send(ticket, connection, late))
    else if (answer !== undefined) this.#send(ticket, connection, answer)
  }

  #answerSoon(request: Command, connection: Connection, answer: Promise<Answer | LaterAnswer | undefined>): void {
    const running = answer
      .then((soon) => this.answer(request, connection, soon))
      .catch((error) => this.#refuse(request, connection, error))
      .finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  #send(request: Ticket, connection: Connection, answer: Answer): void {
    if (answers.hasSubscribers)
      answers.publish({
        remote: connection.remote,
        opaque: request.opaque,
        code: request.code,
        answer: answer.code ?? ResponseCode.SUCCESS,
      })
    if (isOneway(request)) return
    const { outside } = answer
    try {
      if (outside === undefined) connection.send(responseTo(request, OWN, answer))
      else connection.sendOutside(responseTo(request, OWN, answer), outside).catch(() => this.#send(request, connection, outside.otherwise))
    } catch (error) {
      this.#refuse(request, connection, error) // no frame is as large as it; a refusal is small
    }
  }

  /** As Java: the exception's class and message. */
  #refuse(request: Ticket, connection: Connection, error: unknown): void {
    const { name, message } = error instanceof Error ? error : new Error(String(error))
    const remark = `${error instanceof FieldError ? error.javaClass : name}: ${message}`.slice(0, MAX_REMARK)
    if (!(error instanceof FieldError)) this.#options.onTrouble?.({ remote: connection.remote, reason: remark, code: request.code })
    this.answer(request, connection, { code: ResponseCode.SYSTEM_ERROR, remark })
  }

  #trouble(connection: Connection, reason: string): void {
    this.#closed++
    this.#options.onTrouble?.({ remote: connection.remote, reason })
  }
}

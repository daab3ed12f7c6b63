/** Asks servers of the remoting protocol: a connection for each address, made when it is needed, and an answer for each request, or the reason why there is none. */
import { connect } from 'node:net'
import { type Command, isResponse, nextOpaque, type Question, requestOf } from '../protocol/command.js'
import { OWN } from '../protocol/version.js'
import { Connection } from './connection.js'

export interface RemotingClientOptions {
  /** Milliseconds. Default 3,000. */
  connectTimeoutMs?: number
  /** A connection is closed after so many milliseconds without a byte. Default 120,000. */
  idleMs?: number
}

interface Peer {
  readonly connected: Promise<Connection>
  readonly waiting: Map<number, (answer: Command | Error) => void>
}

export class RemotingClient {
  readonly #connectTimeoutMs: number
  readonly #idleMs: number
  readonly #peers = new Map<string, Peer>()
  #opaque = 0
  #closed = false

  constructor({ connectTimeoutMs = 3000, idleMs = 120_000 }: RemotingClientOptions = {}) {
    this.#connectTimeoutMs = connectTimeoutMs
    this.#idleMs = idleMs
  }

  /** Settles with the answer, whatever its code. Rejects where nobody listens at `host:port`, the connection ends, or the time is over. */
  async ask(address: string, question: Question, timeoutMs: number): Promise<Command> {
    const peer = this.#peer(address)
    const opaque = this.#nextOpaque()
    return new Promise((resolve, reject) => {
      const settle = (answer: Command | Error): void => {
        clearTimeout(late)
        peer.waiting.delete(opaque)
        if (answer instanceof Error) reject(answer)
        else resolve(answer)
      }
      const late = setTimeout(() => settle(new Error(`${address} has not answered in ${timeoutMs} ms`)), timeoutMs)
      peer.waiting.set(opaque, settle)
      peer.connected.then((connection) => peer.waiting.has(opaque) && connection.send(requestOf(question, OWN, { opaque })), settle)
    })
  }

  /** Settles when it is on its way. */
  async tell(address: string, question: Question): Promise<void> {
    const connection = await this.#peer(address).connected
    connection.send(requestOf(question, OWN, { opaque: this.#nextOpaque(), oneway: true }))
  }

  /** What is on its way is sent; who waits hears that it is over. */
  async close(): Promise<void> {
    this.#closed = true
    const peers = [...this.#peers.values()]
    for (const { waiting } of peers) for (const settle of [...waiting.values()]) settle(new Error('the client was closed'))
    for (const connection of await Promise.allSettled(peers.map(({ connected }) => connected)))
      if (connection.status === 'fulfilled') connection.value.end()
  }

  #nextOpaque(): number {
    this.#opaque = nextOpaque(this.#opaque)
    return this.#opaque
  }

  #peer(address: string): Peer {
    if (this.#closed) throw new Error('the client was closed')
    const known = this.#peers.get(address)
    if (known !== undefined) return known
    const waiting: Peer['waiting'] = new Map()
    const forget = (error: Error): void => {
      if (this.#peers.get(address) === peer) this.#peers.delete(address)
      for (const settle of [...waiting.values()]) settle(error)
    }
    const peer = { waiting, connected: this.#connect(address, waiting, forget) }
    this.#peers.set(address, peer)
    peer.connected.catch(forget)
    return peer
  }

  #connect(address: string, waiting: Peer['waiting'], forget: (error: Error) => void): Promise<Connection> {
    const split = address.lastIndexOf(':')
    const host = address.slice(0, split).replace(/^\[|\]$/g, '')
    const port = Number(address.slice(split + 1))
    return new Promise((resolve, reject) => {
      if (!(Number.isInteger(port) && port > 0 && port < 65536) || split < 1) {
        reject(new Error(`${address} is no address: host:port is needed`))
        return
      }
      const socket = connect({ host, port, noDelay: true })
      const late = setTimeout(
        () => socket.destroy(new Error(`${address} takes no connection in ${this.#connectTimeoutMs} ms`)),
        this.#connectTimeoutMs,
      )
      socket.once('error', reject)
      socket.once('close', () => clearTimeout(late))
      socket.once('connect', () => {
        clearTimeout(late)
        resolve(
          new Connection(socket, {
            idleMs: this.#idleMs,
            onCommand: (answer) => isResponse(answer) && waiting.get(answer.opaque)?.(answer),
            onClose: (_, reason) => forget(new Error(`the connection to ${address} has ended${reason === undefined ? '' : `: ${reason}`}`)),
          }),
        )
      })
    })
  }
}

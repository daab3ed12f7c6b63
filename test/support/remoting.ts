/** A minimal client of the remoting protocol: one socket, requests by the definitions that the servers use too. */
import { connect, type Socket } from 'node:net'
import { type Command, isResponse, readCommand, writeCommand } from '#src/protocol/command.js'
import type { Kind, Read, RequestType, Written } from '#src/protocol/fields.js'
import { FrameReader, type HeaderType, JSON_HEADER } from '#src/protocol/frame.js'

type Kinds = Readonly<Record<string, Kind<unknown>>>

export interface Reply<A extends Kinds> {
  readonly code: number
  readonly remark: string | undefined
  readonly fields: Command['fields']
  readonly answer: Read<A>
  readonly body: Buffer
  readonly command: Command
}

export class RemotingPeer {
  readonly socket: Socket
  readonly pushed: Command[] = []
  readonly #waiting = new Map<number, (answer: Command | Error) => void>()
  readonly #reader = new FrameReader()
  #opaque = 0
  version = 409
  type: HeaderType = JSON_HEADER

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => {})
    socket.on('close', () => {
      for (const settle of this.#waiting.values()) settle(new Error('the connection was closed'))
    })
    socket.on('data', (chunk) => {
      this.#reader.push(chunk)
      for (let frame = this.#reader.next(); frame !== undefined; frame = this.#reader.next()) {
        const command = readCommand(frame)
        const waiter = isResponse(command) ? this.#waiting.get(command.opaque) : undefined
        if (waiter === undefined) this.pushed.push(command)
        else waiter(command)
      }
    })
  }

  static async connect(address: string): Promise<RemotingPeer> {
    const [host, port] = address.split(':')
    const socket = connect({ host: host as string, port: Number(port), noDelay: true })
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    return new RemotingPeer(socket)
  }

  /** Settles when the other end has closed. */
  closed(): Promise<void> {
    return this.socket.closed ? Promise.resolve() : new Promise((resolve) => this.socket.once('close', () => resolve()))
  }

  close(): void {
    this.socket.destroy()
  }

  send(request: Partial<Command> & { code: number }): Promise<Command> {
    const opaque = request.opaque ?? ++this.#opaque
    const command: Command = {
      ...{ language: 'JAVA', version: this.version, flag: 0, remark: undefined, fields: undefined, body: Buffer.alloc(0), type: this.type },
      ...request,
      opaque,
    }
    const answered = new Promise<Command>((resolve, reject) => {
      this.#waiting.set(opaque, (answer) => (answer instanceof Error ? reject(answer) : resolve(answer)))
    })
    answered.catch(() => {})
    this.socket.write(writeCommand(command))
    return answered
  }

  async ask<F extends Kinds, A extends Kinds>(
    request: RequestType<F, A>,
    fields: Written<F>,
    body: Buffer = Buffer.alloc(0),
  ): Promise<Reply<A>> {
    const command = await this.send({ code: request.code, fields: request.fields.write(fields), body })
    const { code, remark, body: answerBody } = command
    return {
      code,
      remark,
      fields: command.fields,
      answer: code === 0 ? request.answer.read(command.fields) : ({} as Read<A>),
      body: answerBody,
      command,
    }
  }
}

/**
 * The short way of the requests that come most: sends to topics that are there, with nothing about them that a handler must decide. Frames go from the socket's
 * bytes to the log and back to answers in the core; all others, and those that the store refuses, take the handlers' way.
 */
import { hostBytes, parseHost } from '../format/host.js'
import { PERM_WRITE } from '../protocol/bodies/topic-config.js'
import { type Command, readCommand, writeCommand } from '../protocol/command.js'
import { quote } from '../protocol/fastjson.js'
import { FrameReader } from '../protocol/frame.js'
import { OWN_VERSION } from '../protocol/version.js'
import type { Connection, OnRead, SocketReader } from '../remoting/connection.js'
import { observed } from '../remoting/remoting-server.js'
import type { MessageStore } from '../store/message-store.js'
import type { SendFrames, TakenFrames } from '../store/send-frames.js'
import type { AppendStatus } from '../store/types.js'
import { SENT } from './handlers/send-message.js'
import type { HeldPulls } from './held-pulls.js'
import { waitedTooLong } from './refusals.js'
import type { BrokerSettings } from './settings.js'
import { illegalName, RETRY_PREFIX, refusesSends } from './topic-names.js'
import type { Topics } from './topics.js'

export interface PlainSendsOptions {
  readonly settings: BrokerSettings
  readonly store: MessageStore
  readonly topics: Topics
  readonly held: HeldPulls
  readonly now: () => number
}

export class PlainSends {
  readonly #options: PlainSendsOptions
  readonly #frames: SendFrames
  readonly #hosts = new WeakMap<Connection, Uint8Array>()
  /** Sends that wait for the disk. */
  #waiting = 0
  #taken = 0

  constructor(options: PlainSendsOptions) {
    const { settings, store, topics } = options
    this.#options = options
    this.#frames = store.sendFrames({
      regionJson: quote(settings.regionId),
      traceOn: settings.traceOn,
      cluster: settings.brokerClusterName,
      maxBodyBytes: settings.maxMessageSize,
      version: OWN_VERSION,
    })
    for (const topic of topics.all.keys()) this.topicChanged(topic)
  }

  /** Requests that went this way. */
  get taken(): number {
    return this.#taken + this.#frames.takenFromSockets
  }

  /** A topic has come, changed or gone. */
  topicChanged(topic: string): void {
    const config = this.#options.topics.get(topic)
    const plain = config !== undefined && !topic.startsWith(RETRY_PREFIX) && illegalName(topic) === undefined && !refusesSends(topic)
    this.#frames.setTopic(topic, plain ? Math.max(config.readQueueNums, config.writeQueueNums) : 0)
  }

  /** As a server's `onBytes`; `otherwise` answers a request in the handlers' way. */
  take(bytes: Buffer, connection: Connection, otherwise: (command: Command, connection: Connection) => void): number {
    const { held } = this.#options
    if (!this.#mayTake() || waitedTooLong(this.#options, connection)) return 0
    const taken = this.#frames.take(bytes, this.#hostOf(connection), connection.idleDescriptor)
    if (taken.bytes === 0) return 0
    this.#taken += taken.frames
    if (held.count > 0) for (const { topic, queueId } of this.#frames.arrivals()) held.arrived(topic, queueId)
    this.#answer(taken, connection)
    for (let i = 0; i < taken.refused.length; i += 2) {
      const at = taken.refused[i] as number
      otherwise(commandIn(bytes.subarray(at, at + (taken.refused[i + 1] as number))), connection)
    }
    return taken.bytes
  }

  /** As a connection's `readBy`: the frames of a socket on which sends come are taken where they come in. */
  watch(descriptor: number, begun: Buffer, connection: Connection, onRead: OnRead): SocketReader | undefined {
    const { held } = this.#options
    return this.#frames.watch(descriptor, {
      ...{ bornHost: this.#hostOf(connection), begun, onRead },
      mayTake: () => (this.#mayTake() ? (held.count > 0 ? 'sends and arrivals' : 'sends') : 'nothing'),
      onArrival: (topic, queueId) => held.arrived(topic, queueId),
    })
  }

  #mayTake(): boolean {
    const { settings, now } = this.#options
    return (
      this.#waiting < settings.sendThreadPoolQueueCapacity &&
      now() >= settings.startAcceptSendRequestTimeStamp &&
      (settings.brokerPermission & PERM_WRITE) !== 0 &&
      !observed()
    )
  }

  #answer({ answers, status, frames }: TakenFrames, connection: Connection): void {
    if (status === undefined) {
      if (answers !== undefined) connection.write(answers)
      return
    }
    this.#waiting += frames
    status.then(
      (settled) => {
        this.#waiting -= frames
        if (answers !== undefined) connection.write(settled === 'PUT_OK' ? answers : withStatus(answers, settled))
      },
      () => {
        this.#waiting -= frames // what is not answered is sent again
      },
    )
  }

  #hostOf(connection: Connection): Uint8Array {
    let host = this.#hosts.get(connection)
    if (host === undefined) {
      host = hostBytes(parseHost(connection.remote) ?? { address: new Uint8Array(4), port: 0 })
      this.#hosts.set(connection, host)
    }
    return host
  }
}

function commandIn(frame: Buffer): Command {
  const reader = new FrameReader()
  reader.push(frame)
  return readCommand(reader.next() as NonNullable<ReturnType<FrameReader['next']>>)
}

/** The answers say that all went well: they have been stored, and that is all. */
function withStatus(answers: Buffer, status: AppendStatus): Buffer {
  const reader = new FrameReader()
  reader.push(answers)
  const changed: Buffer[] = []
  for (let frame = reader.next(); frame !== undefined; frame = reader.next())
    changed.push(writeCommand({ ...readCommand(frame), code: SENT[status] }))
  return Buffer.concat(changed)
}

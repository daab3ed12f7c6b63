/**
 * The short way of the requests that come most: sends to topics that are there and pulls that find something, with nothing about them that a handler must decide.
 * Frames go from the socket's bytes to the log, or from the log to the socket, in the core; all others, and those that the store refuses, take the handlers' way.
 */
import { hostBytes, parseHost } from '../format/host.js'
import { PERM_WRITE } from '../protocol/bodies/topic-config.js'
import { type Command, readCommand, writeCommand } from '../protocol/command.js'
import { quote } from '../protocol/fastjson.js'
import { FrameReader, JSON_HEADER } from '../protocol/frame.js'
import { PULL_COMMITS, PULL_HAS_SUBSCRIPTION, PULL_MESSAGE } from '../protocol/requests/broker.js'
import { OWN_VERSION } from '../protocol/version.js'
import type { Connection, OnRead, OutsideBody, SocketReader } from '../remoting/connection.js'
import { type LaterAnswer, observed, type Ticket } from '../remoting/remoting-server.js'
import type {
  PlainRequests as Frames,
  PlainPull,
  PlainSocket,
  PullDetails,
  PullInWaiting,
  SuspendedPull,
  TakenFrames,
} from '../store/plain-requests.js'
import type { TagFilter } from '../store/tag-filter.js'
import { TransferTarget } from '../store/transfer-target.js'
import type { AppendStatus } from '../store/types.js'
import type { BrokerContext } from './context.js'
import { filterOf, refusedAtOnce, suggestedBrokers, suspend } from './handlers/pull-message.js'
import { SENT } from './handlers/send-message.js'
import { waitedTooLong } from './refusals.js'
import { illegalName, RETRY_PREFIX, refusesSends } from './topic-names.js'

type PullFields = ReturnType<typeof PULL_MESSAGE.fields.read>

export type PlainRequestsOptions = Pick<
  BrokerContext,
  'settings' | 'store' | 'topics' | 'groups' | 'consumers' | 'offsets' | 'held' | 'now'
>

/** The port that a socket belongs to. */
interface Port {
  /** Whether it takes pulls. */
  readonly pulls: boolean
  /** In the handlers' way. */
  answer(request: Ticket, connection: Connection, later: LaterAnswer): void
}

export class PlainRequests {
  readonly #options: PlainRequestsOptions
  readonly #suspends: PlainRequestsOptions & { readonly plainRequests: PlainRequests }
  readonly #frames: Frames
  readonly #hosts = new WeakMap<Connection, Uint8Array>()
  readonly #sockets = new WeakMap<Connection, PlainSocket>()
  /** Sends that wait for the disk. */
  #waiting = 0
  #taken = 0

  constructor(options: PlainRequestsOptions) {
    const { settings, store, topics } = options
    this.#options = options
    this.#suspends = { ...options, plainRequests: this }
    this.#frames = store.plainRequests({
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
    if (!this.#mayTakeSends() || observed() || waitedTooLong(this.#options, connection)) return 0
    const taken = this.#frames.take(bytes, this.#hostOf(connection), connection.idleDescriptor)
    if (taken.bytes === 0) return 0
    if (this.#frames.answersAtOnce) connection.wantReader()
    this.#taken += taken.frames
    for (const { topic, queueId } of this.#frames.arrivals()) held.arrived(topic, queueId)
    this.#answer(taken, connection)
    for (let i = 0; i < taken.refused.length; i += 2) {
      const at = taken.refused[i] as number
      otherwise(commandIn(bytes.subarray(at, at + (taken.refused[i + 1] as number))), connection)
    }
    return taken.bytes
  }

  /** Somebody waits there: the next arrival is told to `held`. */
  awaitArrival(topic: string, queueId: number): void {
    this.#frames.awaitArrival(topic, queueId)
  }

  /** A pull has taken the handlers' way, and gets what `filter` lets through: others like it are plain. Undefined where they are not. */
  pullKnown({ type, code }: Command, fields: PullFields, filter: TagFilter, connection: Connection): PlainPull | undefined {
    if (type !== JSON_HEADER || code !== PULL_MESSAGE.code) return undefined
    const { consumerGroup: group = '', topic = '', subscription = '', sysFlag } = fields
    const itsOwn = (sysFlag & PULL_HAS_SUBSCRIPTION) !== 0
    connection.wantReader()
    return this.#frames.setPull({
      ...{ group, topic, filter, subscription: itsOwn ? subscription : undefined },
      ...suggestedBrokers(this.#options, group),
    })
  }

  /** Whether a pull that has waited was answered in the core. */
  answer(connection: Connection, pull: PlainPull, waiting: PullInWaiting): boolean {
    const socket = this.#sockets.get(connection)
    return socket !== undefined && !observed() && this.#frames.answer(socket, pull, waiting)
  }

  /** As a connection's `readBy`: plain requests of a socket are taken where they come in. */
  watch(descriptor: number, begun: Buffer, connection: Connection, onRead: OnRead, port: Port): SocketReader | undefined {
    const { held } = this.#options
    const socket = this.#frames.watch(descriptor, {
      ...{ bornHost: this.#hostOf(connection), begun },
      mayTake: () => {
        const unseen = !observed()
        return { pulls: unseen && port.pulls, sends: unseen && this.#mayTakeSends() }
      },
      admit: (pull, details, waiting) => this.#admits(connection, port, pull, details, waiting),
      onArrival: (topic, queueId) => held.arrived(topic, queueId),
      onRead: (rest, unsent, ended, ranges) => onRead(rest, unsent, ended, ranges && this.#outside(ranges)),
    })
    if (socket !== undefined) this.#sockets.set(connection, socket)
    return socket
  }

  #mayTakeSends(): boolean {
    const { settings, now } = this.#options
    return (
      this.#waiting < settings.sendThreadPoolQueueCapacity &&
      now() >= settings.startAcceptSendRequestTimeStamp &&
      (settings.brokerPermission & PERM_WRITE) !== 0
    )
  }

  /** Nothing has changed since a pull like it took the handlers' way. One for which there is nothing yet waits with the others. */
  #admits(connection: Connection, port: Port, pull: PlainPull, details: PullDetails, waiting: SuspendedPull | undefined): boolean {
    const { offsets } = this.#options
    const { group, topic, subscription, filter } = pull
    const { queueId, sysFlag, subVersion, commitOffset } = details
    const asked = { consumerGroup: group, topic, queueId, sysFlag, subVersion, subscription }
    if (refusedAtOnce(this.#options, asked, connection) !== undefined || filterOf(this.#options, asked) !== filter) return false
    const { broker, slowBroker } = suggestedBrokers(this.#options, group)
    if (broker !== pull.broker || slowBroker !== pull.slowBroker) return false
    if ((sysFlag & PULL_COMMITS) !== 0) offsets.commit(group, topic, queueId, commitOffset)
    if (waiting === undefined) return true
    const { offset: queueOffset, maxMessages, opaque, suspendMs } = waiting
    const suspended = { consumerGroup: group, topic, queueId, queueOffset, maxMessages: Math.max(1, maxMessages), filter }
    const later = suspend(this.#suspends, suspended, { opaque, suspendMs, plain: pull }, connection)
    if (later !== undefined) port.answer({ opaque, type: JSON_HEADER, flag: 0, code: PULL_MESSAGE.code }, connection, later)
    return later !== undefined
  }

  #outside(ranges: Float64Array): OutsideBody {
    let bytes = 0
    for (let i = 1; i < ranges.length; i += 2) bytes += ranges[i] as number
    return { bytes, send: (socket, head) => this.#options.store.transfer(TransferTarget.of(socket), { head, ranges }) }
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

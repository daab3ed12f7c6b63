/** A broker: a store that clients send to and pull from. It composes; what it knows lies in the parts. */
import { parseDelayLevels } from '../format/delay-level.js'
import { SCHEDULE_TOPIC } from '../format/tag-code.js'
import { type Log, NO_LOG } from '../log.js'
import { NOTIFY_CONSUMER_IDS_CHANGED } from '../protocol/requests/broker.js'
import type { Connection } from '../remoting/connection.js'
import { type Handler, RemotingServer, type RemotingServerStatistics } from '../remoting/remoting-server.js'
import { MessageStore } from '../store/message-store.js'
import type { StoreState } from '../store/types.js'
import { addressesOf, VIP_DISTANCE } from './addresses.js'
import { ConsumerOffsets } from './consumer-offsets.js'
import { type ConsumerGroup, Consumers } from './consumers.js'
import type { BrokerContext } from './context.js'
import { DelayService } from './delay-service.js'
import { Groups } from './groups.js'
import { handlersOf } from './handlers.js'
import { HeldPulls } from './held-pulls.js'
import { Inbox } from './inbox.js'
import { PlainRequests } from './plain-requests.js'
import { Producers } from './producers.js'
import { pushOf } from './push.js'
import { QueueLocks } from './queue-locks.js'
import { Registration } from './registration.js'
import { type BrokerSettings, brokerSettings, defaultBrokerSettings, storeSettingsOf } from './settings.js'
import { Topics } from './topics.js'

export interface BrokerOptions {
  settings?: Partial<BrokerSettings>
  /** Default: nowhere. */
  log?: Log
  /** Unix milliseconds; default Date.now. */
  now?: () => number
  /** How often it looks for pulls that have waited long enough (default 5,000; 1,000 without long polling), and for clients that are silent (10,000). */
  sweepIntervalMs?: number
}

export interface BrokerStatistics extends RemotingServerStatistics {
  /** Of the requests, those that no handler saw: plain sends and pulls, which the core answers. */
  readonly plainRequests: number
  /** Pulls that wait for messages. */
  readonly heldPulls: number
}

/** A client that has not been heard of for so long is gone. */
const CLIENT_EXPIRES_MS = 120_000
const CLIENT_SCAN_MS = 10_000
const HOLD_SWEEP_MS = 5000
const OPEN: readonly StoreState[] = ['open', 'failed']

export class Broker {
  readonly settings: Readonly<BrokerSettings>
  /** `ip:port` that clients know it by. */
  readonly address: string
  readonly store: MessageStore
  readonly #context: BrokerContext
  readonly #servers: readonly RemotingServer[]
  readonly #timers: readonly NodeJS.Timeout[]
  readonly #log: Log
  #closing: Promise<void> | undefined

  /**
   * Opens the store, takes up what its files say, listens, and registers with the name servers. Rejects where a setting is wrong or not built, the store can't be
   * opened, or a port is taken; then nothing is left behind. A name server that can't be reached is told to the log, and tried again.
   */
  static async start({ settings: given = {}, log = NO_LOG, now = Date.now, sweepIntervalMs }: BrokerOptions = {}): Promise<Broker> {
    const checked = brokerSettings.check(given)
    brokerSettings.refuseUnsupported(checked)
    const asked = { ...defaultBrokerSettings(), ...checked }
    const { brokerIP1, listenPort } = await addressesOf(asked, { bindAddressGiven: checked.bindAddress !== undefined })
    const settings: BrokerSettings = { ...asked, brokerIP1, listenPort }
    const address = `${brokerIP1}:${settings.advertisedPort || listenPort}`
    const store = await MessageStore.open(settings.storePathRootDir, {
      settings: storeSettingsOf(settings),
      storeHost: address,
      retention: { byAge: true, byDiskUse: true },
      maxWaitingAppends: settings.sendThreadPoolQueueCapacity,
      whenFull: 'reject',
      ...(settings.brokerRole === 'SYNC_MASTER' && { replication: { waitFor: async () => 'SLAVE_NOT_AVAILABLE' as const } }),
    })
    const servers: RemotingServer[] = []
    try {
      const context = await contextOf({ settings, address, store, log, now, sweepIntervalMs })
      context.topics.onChange = (topic) => {
        context.plainRequests.topicChanged(topic)
        void context.registration.registered()
      }
      for (const vip of [false, true]) servers.push(await listen(context, log, vip))
      await context.registration.start()
      context.delays.start()
      return new Broker(context, servers, log, sweepIntervalMs ?? CLIENT_SCAN_MS)
    } catch (error) {
      await Promise.all(servers.map((server) => server.close()))
      await store.close()
      throw error
    }
  }

  private constructor(context: BrokerContext, servers: readonly RemotingServer[], log: Log, scanMs: number) {
    this.settings = context.settings
    this.address = context.address
    this.store = context.store
    this.#context = context
    this.#servers = servers
    this.#log = log
    const every = (ms: number, task: () => unknown) => setInterval(task, ms).unref()
    this.#timers = [
      every(scanMs, () => this.#expire()),
      every(context.settings.flushConsumerOffsetInterval, () => this.#save(() => context.offsets.save())),
      every(context.settings.flushDelayOffsetInterval, () => this.#save(() => context.delays.save())),
    ]
  }

  get statistics(): BrokerStatistics {
    const all = this.#servers.map(({ statistics }) => statistics)
    const { taken } = this.#context.plainRequests
    const sum = (of: (statistics: RemotingServerStatistics) => number) => all.reduce((before, one) => before + of(one), 0)
    return {
      connections: sum(({ connections }) => connections),
      requests: sum(({ requests }) => requests) + taken,
      plainRequests: taken,
      closed: sum(({ closed }) => closed),
      heldPulls: this.#context.held.count,
    }
  }

  /** Answers what is in flight, takes its entries at the name servers back, writes what its files lack, and closes the store. Any number of calls. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    const { registration, held, delays, offsets, topics, groups, store } = this.#context
    for (const timer of this.#timers) clearInterval(timer)
    await registration.stop()
    await held.stop()
    await Promise.all(this.#servers.map((server) => server.close()))
    await this.#save(() => delays.stop())
    for (const file of [offsets, topics, groups]) await this.#save(() => file.save())
    await store.close()
  }

  #expire(): void {
    const { consumers, producers, locks, now } = this.#context
    const before = now() - CLIENT_EXPIRES_MS
    for (const connection of new Set([...consumers.silentSince(before), ...producers.silentSince(before)]))
      connection.close(`no heartbeat for ${CLIENT_EXPIRES_MS} ms`)
    locks.clean()
  }

  async #save(save: () => Promise<void>): Promise<void> {
    await save().catch((error: Error) => this.#log.error({ reason: error.message }, 'a file could not be written'))
  }
}

interface Parts extends Pick<BrokerContext, 'settings' | 'address' | 'store' | 'now'> {
  readonly log: Log
  readonly sweepIntervalMs: number | undefined
}

async function contextOf({ settings, address, store, log, now, sweepIntervalMs }: Parts): Promise<BrokerContext> {
  const levels = parseDelayLevels(settings.messageDelayLevel).length
  const topics = await Topics.open(store.config, settings, levels, now)
  const groups = await Groups.open(store.config, settings, now)
  const offsets = await ConsumerOffsets.open(store.config)
  for (const cut of offsets.cutBack((topic, queueId) => store.bounds(topic, queueId).maxOffset))
    log.warn(cut, 'an offset lay behind the end of its queue, and was set to it')
  // A store may be closed by the program that has it.
  const endOf = (topic: string, queueId: number) => (OPEN.includes(store.state) ? store.bounds(topic, queueId).maxOffset : 0)
  const held = new HeldPulls({
    ...{ now, sweepMs: sweepIntervalMs ?? (settings.longPollingEnable ? HOLD_SWEEP_MS : settings.shortPollingTimeMills) },
    most: settings.pullThreadPoolQueueCapacity,
    endOf,
    onWait: (topic, queueId) => plainRequests.awaitArrival(topic, queueId),
  })
  const inbox = new Inbox(store, levels, (topic, queueId) => {
    if (topic === SCHEDULE_TOPIC) delays.arrived(queueId)
    held.arrived(topic, queueId)
  })
  const onTrouble = (reason: string) => log.warn({ reason }, 'delayed messages wait')
  const delays = await DelayService.open({ store, inbox, levels: settings.messageDelayLevel, now, onTrouble })
  const registration = new Registration({ settings, topics, address, log })
  const consumers = new Consumers<Connection>((group) => notify(group, groups, settings))
  const locks = new QueueLocks(now)
  const producers = new Producers<Connection>()
  const parts = { settings, address, store, topics, groups, offsets, consumers, producers, locks, held, inbox, delays, registration, now }
  const plainRequests = new PlainRequests(parts)
  return { ...parts, plainRequests }
}

/** Who is in a group has changed: each member shares out the queues anew. */
function notify({ name, members }: ConsumerGroup<Connection>, groups: Groups, settings: BrokerSettings): void {
  if (!settings.notifyConsumerIdsChangedEnable || groups.get(name)?.notifyConsumerIdsChangedEnable === false) return
  const fields = NOTIFY_CONSUMER_IDS_CHANGED.fields.write({ consumerGroup: name })
  for (const connection of members.keys()) connection.send(pushOf({ code: NOTIFY_CONSUMER_IDS_CHANGED.code, fields }))
}

async function listen(context: BrokerContext, log: Log, vip: boolean): Promise<RemotingServer> {
  const { settings, consumers, producers, plainRequests } = context
  const handlers = new Map<number, Handler>()
  for (const [{ code }, handle] of handlersOf({ vip })) handlers.set(code, (request, connection) => handle(context, request, connection))
  const server: RemotingServer = await RemotingServer.listen({
    host: settings.bindAddress,
    port: vip ? settings.listenPort - VIP_DISTANCE : settings.listenPort,
    handlers,
    onBytes: (bytes, connection) => plainRequests.take(bytes, connection, (command, from) => server.take(command, from)),
    readBy: (...socket) => plainRequests.watch(...socket, { pulls: !vip, answer: (...answered) => server.answer(...answered) }),
    idleMs: settings.serverChannelMaxIdleTimeSeconds * 1000,
    onConnectionClosed: (connection) => {
      consumers.removeLink(connection)
      producers.removeLink(connection)
    },
    onTrouble: (trouble) => log.warn(trouble, 'trouble with a connection'),
  })
  return server
}

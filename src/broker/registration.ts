/** The broker's entry at each name server: made at start, renewed every half minute and when a topic changes, taken back at the end. */

import { bodyCrc } from '../format/crc.js'
import type { Log } from '../log.js'
import { readKvTable } from '../protocol/bodies/lists.js'
import { writeRegistration } from '../protocol/bodies/registration.js'
import { REGISTER_BROKER, UNREGISTER_BROKER } from '../protocol/requests/namesrv.js'
import { RemotingClient } from '../remoting/remoting-client.js'
import type { BrokerSettings } from './settings.js'
import type { Topics } from './topics.js'

const UNREGISTER_MS = 3000

export interface RegistrationOptions {
  readonly settings: BrokerSettings
  readonly topics: Topics
  /** `ip:port` that clients shall come to. */
  readonly address: string
  readonly log: Log
}

export class Registration {
  readonly #options: RegistrationOptions
  readonly #client: RemotingClient
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> = Promise.resolve()
  #next: Promise<void> | undefined

  constructor(options: RegistrationOptions) {
    this.#options = options
    const { connectTimeoutMillis, clientChannelMaxIdleTimeSeconds } = options.settings
    this.#client = new RemotingClient({ connectTimeoutMs: connectTimeoutMillis, idleMs: clientChannelMaxIdleTimeSeconds * 1000 })
  }

  get nameServers(): string[] {
    const text = this.#options.settings.namesrvAddr ?? ''
    return text
      .split(';')
      .map((address) => address.trim())
      .filter((address) => address !== '')
  }

  /** Settles when each name server has answered, or has not; that is no error here. */
  async start(): Promise<void> {
    this.#timer = setInterval(() => void this.registered(), this.#options.settings.registerNameServerPeriod).unref()
    await this.registered()
  }

  /** Settles when all name servers that can be reached know the topics as they are now. */
  registered(): Promise<void> {
    if (this.#next !== undefined) return this.#next
    this.#next = this.#running.then(async () => {
      this.#next = undefined
      await Promise.all(this.nameServers.map((address) => this.#register(address)))
    })
    this.#running = this.#next
    return this.#next
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#running
    const { brokerName, brokerClusterName: clusterName, brokerId } = this.#options.settings
    const fields = UNREGISTER_BROKER.fields.write({ brokerName, brokerAddr: this.#options.address, clusterName, brokerId })
    const told = this.nameServers.map((address) => this.#client.ask(address, { code: UNREGISTER_BROKER.code, fields }, UNREGISTER_MS))
    await Promise.allSettled(told)
    await this.#client.close()
  }

  async #register(address: string): Promise<void> {
    const { settings, topics, log } = this.#options
    const { brokerPermission, compressedRegister: compressed } = settings
    const registered = [...topics.all.values()].map((topic) => ({ ...topic, perm: topic.perm & (brokerPermission | ~READ_WRITE) }))
    const body = writeRegistration({ dataVersion: topics.version, topics: registered, filterServers: [] }, compressed)
    const fields = REGISTER_BROKER.fields.write({
      brokerId: settings.brokerId,
      bodyCrc32: bodyCrc(body),
      clusterName: settings.brokerClusterName,
      brokerAddr: this.#options.address,
      haServerAddr: '', // there is nobody to copy the log from here
      compressed,
      brokerName: settings.brokerName,
    })
    try {
      const answer = await this.#client.ask(address, { code: REGISTER_BROKER.code, fields, body }, settings.registerBrokerTimeoutMills)
      if (answer.code !== 0) throw new Error(`it answered ${answer.code}: ${answer.remark}`)
      if (answer.body.length > 0) await topics.order(new Set(readKvTable(answer.body).keys()))
    } catch (error) {
      log.warn({ nameServer: address, reason: (error as Error).message }, 'not registered with a name server')
    }
  }
}

const READ_WRITE = 6

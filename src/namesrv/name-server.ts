/** A name server: brokers register with it, clients ask it where topics are. It keeps nothing but its KV config; brokers register again. */

import { type Log, NO_LOG } from '../log.js'
import type { Connection } from '../remoting/connection.js'
import { type Handler, RemotingServer, type RemotingServerStatistics } from '../remoting/remoting-server.js'
import type { NamesrvContext } from './context.js'
import { handlersOf } from './handlers.js'
import { KvConfig } from './kv-config.js'
import { Routes } from './routes.js'
import { defaultNamesrvSettings, type NamesrvSettings, namesrvSettings } from './settings.js'

export interface NameServerOptions {
  settings?: Partial<NamesrvSettings>
  /** Default: nowhere. */
  log?: Log
  /** Unix milliseconds; default Date.now. */
  now?: () => number
  /** How often it looks for brokers that are silent. Default 10,000. */
  scanIntervalMs?: number
}

/** A broker that has not been heard of for so long is gone. */
const BROKER_EXPIRES_MS = 120_000
const SCAN_INTERVAL_MS = 10_000

export class NameServer {
  readonly settings: Readonly<NamesrvSettings>
  readonly #server: RemotingServer
  readonly #scan: NodeJS.Timeout

  private constructor(settings: NamesrvSettings, server: RemotingServer, scan: NodeJS.Timeout) {
    this.settings = settings
    this.#server = server
    this.#scan = scan
  }

  /** Settles when it listens. */
  static async start(options: NameServerOptions = {}): Promise<NameServer> {
    const settings = { ...defaultNamesrvSettings(), ...namesrvSettings.check(options.settings ?? {}) }
    const { now = Date.now, log = NO_LOG } = options
    const routes = new Routes<Connection>()
    const context: NamesrvContext = { routes, settings, now, kv: await KvConfig.open(settings.kvConfigPath) }
    const handlers = new Map<number, Handler>()
    for (const [{ code }, handle] of handlersOf()) handlers.set(code, (request, connection) => handle(context, request, connection))
    const server = await RemotingServer.listen({
      host: settings.bindAddress,
      port: settings.listenPort,
      handlers,
      idleMs: settings.serverChannelMaxIdleTimeSeconds * 1000,
      onConnectionClosed: (connection) => routes.removeLink(connection),
      onTrouble: (trouble) => log.warn(trouble, 'trouble with a connection'),
    })
    const scan = setInterval(() => {
      for (const connection of routes.expire(now() - BROKER_EXPIRES_MS)) connection.close('its broker has not registered again')
    }, options.scanIntervalMs ?? SCAN_INTERVAL_MS)
    scan.unref()
    return new NameServer(settings, server, scan)
  }

  /** `ip:port` that it listens to. */
  get address(): string {
    return `${this.settings.bindAddress}:${this.#server.port}`
  }

  get statistics(): RemotingServerStatistics {
    return this.#server.statistics
  }

  async close(): Promise<void> {
    clearInterval(this.#scan)
    await this.#server.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** A name server: brokers register with it, clients ask it where topics are. It keeps nothing but its KV config; brokers register again. */
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Connection } from '../remoting/connection.js'
import { type Handler, RemotingServer, type RemotingServerOptions, type RemotingServerStatistics } from '../remoting/remoting-server.js'
import type { NamesrvContext } from './context.js'
import { handlersOf } from './handlers.js'
import { KvConfig } from './kv-config.js'
import { Routes } from './routes.js'

/** RocketMQ's NamesrvConfig and NettyServerConfig, by their own names. */
export interface NamesrvSettings {
  listenPort: number
  /** Whom it listens to. */
  bindAddress: string
  kvConfigPath: string
  /** Routes tell which topics are ordered over all brokers. */
  orderMessageEnable: boolean
  serverChannelMaxIdleTimeSeconds: number
}

export interface NameServerOptions {
  settings?: Partial<NamesrvSettings>
  onTrouble?: RemotingServerOptions['onTrouble']
  /** For tests: Unix milliseconds, and how often who is silent is looked for. */
  now?: () => number
  scanIntervalMs?: number
}

/** A broker that has not been heard of for so long is gone. */
const BROKER_EXPIRES_MS = 120_000
const SCAN_INTERVAL_MS = 10_000

export function defaultNamesrvSettings(): NamesrvSettings {
  return {
    listenPort: 9876,
    bindAddress: '127.0.0.1',
    kvConfigPath: join(homedir(), 'namesrv', 'kvConfig.json'),
    orderMessageEnable: false,
    serverChannelMaxIdleTimeSeconds: 120,
  }
}

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
    const settings = { ...defaultNamesrvSettings(), ...options.settings }
    const now = options.now ?? Date.now
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
      ...(options.onTrouble && { onTrouble: options.onTrouble }),
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

/** A Java broker on a store's directory, and a name server that it registers with, Java's or another that is there; all on the loopback. */
import { mqadmin, runJava } from './java-peer.js'
import { JavaServer } from './java-server.js'
import type { Settings } from './store-peer.js'

export interface BrokerMessage {
  what: 'pulled' | 'sent'
  topic: string
  queueId: number
  queueOffset: number
  logOffset: number
  keys: string | null
  /** Of a pulled message: its body, decompressed. */
  bodySha1: string | null
}

export class BrokerPeer {
  readonly nameServer: string
  readonly address: string
  /** The broker first. */
  readonly #servers: readonly JavaServer[]

  private constructor(nameServer: string, servers: readonly [broker: JavaServer, ...JavaServer[]]) {
    this.nameServer = nameServer
    this.address = servers[0].address
    this.#servers = servers
  }

  /** Resolves when both listen. The name server hears of the broker a moment later: `readAndSend` waits for that. */
  static async start(dir: string, settings: Settings, otherNameServer?: string): Promise<BrokerPeer> {
    if (otherNameServer !== undefined) return new BrokerPeer(otherNameServer, [await JavaServer.broker(dir, otherNameServer, settings)])
    const nameServer = await JavaServer.nameServer()
    try {
      return new BrokerPeer(nameServer.address, [await JavaServer.broker(dir, nameServer.address, settings), nameServer])
    } catch (error) {
      await nameServer.stop()
      throw error
    }
  }

  /** Makes the topics known, pulls all that is in them, and sends one message to each. */
  async readAndSend(topics: Readonly<Record<string, number>>): Promise<BrokerMessage[]> {
    const printed = await runJava('BrokerReader', [this.nameServer, this.address, ...Object.entries(topics).flat().map(String)])
    return printed
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line))
  }

  mqadmin(...args: string[]): Promise<string> {
    return mqadmin([...args, '-n', this.nameServer])
  }

  /** Asks both to shut down, the broker first, and waits. */
  async stop(): Promise<void> {
    for (const server of this.#servers) await server.stop()
  }
}

/** Official Java clients that do what a test tells them; `java/Errands.java` documents the errands. */
import type { Release } from './java-peer.js'
import { LinePeer } from './line-peer.js'

export interface Delivered {
  /** The body. */
  text: string
  broker: string
  queueId: number
  queueOffset: number
  storeTimestamp: number
  reconsumeTimes: number
}

export interface Sent {
  status: string
  broker: string
  queueId: number
  queueOffset: number
}

export interface ToSend {
  body: string
  /** Default: any queue. */
  queueId?: number
  broker?: string
  delayLevel?: number
}

export interface Tables {
  topics: Record<string, [read: number, write: number, perm: number]>
  /** How often each retries. */
  groups: Record<string, number>
}

export class ErrandPeer {
  readonly #peer: LinePeer
  readonly #nameServer: string

  private constructor(peer: LinePeer, nameServer: string) {
    this.#peer = peer
    this.#nameServer = nameServer
  }

  static async start(nameServer: string, release: Release = '4.9.7'): Promise<ErrandPeer> {
    return new ErrandPeer(await LinePeer.start('Errands', [nameServer], { release }), nameServer)
  }

  /** What RocketMQ's admin tool prints. */
  mqadmin(...args: string[]): Promise<string> {
    return this.#peer.ask({ do: 'mqadmin', args: [...args, '-n', this.#nameServer] })
  }

  /** Those of the broker at that address. */
  tables(broker: string): Promise<Tables> {
    return this.#peer.ask({ do: 'tables', broker })
  }

  send(topic: string, messages: readonly ToSend[]): Promise<Sent[]> {
    return this.#peer.ask({ do: 'send', topic, messages })
  }

  /** All that the topic holds, queue by queue, when it is so many. */
  read(topic: string, count: number): Promise<Delivered[]> {
    return this.#peer.ask({ do: 'read', topic, count })
  }

  /** The group's next so many messages, in the order in which it took them; no other has been consumed, and the broker keeps that. */
  consume(group: string, topic: string, count: number): Promise<Delivered[]> {
    return this.#peer.ask({ do: 'consume', group, topic, count })
  }

  /** Sends when so many members of the group have shared the queues out; `taken` is what each of them got. */
  share(group: string, topic: string, messages: readonly ToSend[], members: number): Promise<{ sent: Sent[]; taken: Delivered[][] }> {
    return this.#peer.ask({ do: 'share', group, topic, messages, members })
  }

  /** The group's next so many messages are sent back, and are due again when that delay is over. */
  fail(group: string, topic: string, count: number, delayLevel: number): Promise<true> {
    return this.#peer.ask({ do: 'fail', group, topic, count, delayLevel })
  }

  end(): Promise<void> {
    return this.#peer.end()
  }
}

/** Who produces: connections by group. RocketMQ's ProducerManager. */
import type { Client } from './consumers.js'

export class Producers<Link> {
  readonly #groups = new Map<string, Map<Link, Client>>()

  get groups(): ReadonlyMap<string, ReadonlyMap<Link, Client>> {
    return this.#groups
  }

  heartbeat(link: Link, client: Client, group: string): void {
    const members = this.#groups.get(group)
    if (members === undefined) this.#groups.set(group, new Map([[link, client]]))
    else members.set(link, client)
  }

  leave(link: Link, group: string): void {
    const members = this.#groups.get(group)
    if (members?.delete(link) && members.size === 0) this.#groups.delete(group)
  }

  removeLink(link: Link): void {
    for (const group of [...this.#groups.keys()]) this.leave(link, group)
  }

  silentSince(ms: number): Set<Link> {
    const silent = new Set<Link>()
    for (const members of this.#groups.values()) for (const [link, { heardMs }] of members) if (heardMs < ms) silent.add(link)
    return silent
  }
}

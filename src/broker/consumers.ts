/** Who consumes: the members of each group by their connections, and what the group has subscribed to. RocketMQ's ConsumerManager. */
import type { ConsumerData, ConsumeType, MessageModel, Subscription } from '../protocol/bodies/heartbeat.js'
import type { Language } from '../protocol/language.js'

/** A client as its last heartbeat on a connection named it. */
export interface Client {
  readonly clientId: string
  readonly language: Language | undefined
  readonly version: number
  /** Unix milliseconds. */
  readonly heardMs: number
}

export interface ConsumerGroup<Link> {
  readonly name: string
  readonly consumeType: ConsumeType
  readonly messageModel: MessageModel
  readonly consumeFromWhere: string
  readonly members: ReadonlyMap<Link, Client>
  readonly subscriptions: ReadonlyMap<string, Subscription>
}

interface Group<Link> {
  readonly name: string
  consumeType: ConsumeType
  messageModel: MessageModel
  consumeFromWhere: string
  readonly members: Map<Link, Client>
  readonly subscriptions: Map<string, Subscription>
}

/** `Link`: a connection; what tells members apart. */
export class Consumers<Link> {
  readonly #groups = new Map<string, Group<Link>>()
  readonly #onChange: (group: ConsumerGroup<Link>) => void

  /** `onChange`: a member or a topic has come or gone. */
  constructor(onChange: (group: ConsumerGroup<Link>) => void) {
    this.#onChange = onChange
  }

  group(name: string): ConsumerGroup<Link> | undefined {
    return this.#groups.get(name)
  }

  get groups(): Iterable<ConsumerGroup<Link>> {
    return this.#groups.values()
  }

  /** What one heartbeat says of one group. */
  heartbeat(link: Link, client: Client, data: ConsumerData): void {
    const { groupName: name, consumeType, messageModel, consumeFromWhere, subscriptionDataSet } = data
    let group = this.#groups.get(name)
    if (group === undefined) {
      group = { name, consumeType, messageModel, consumeFromWhere, members: new Map(), subscriptions: new Map() }
      this.#groups.set(name, group)
    }
    Object.assign(group, { consumeType, messageModel, consumeFromWhere })
    const joined = !group.members.has(link)
    group.members.set(link, client)
    if (subscribe(group.subscriptions, subscriptionDataSet) || joined) this.#onChange(group)
  }

  leave(link: Link, name: string): void {
    const group = this.#groups.get(name)
    if (group === undefined || !group.members.delete(link)) return
    if (group.members.size === 0) this.#groups.delete(name)
    this.#onChange(group)
  }

  /** The connection is gone. */
  removeLink(link: Link): void {
    for (const name of [...this.#groups.keys()]) this.leave(link, name)
  }

  /** Connections that have sent no heartbeat since. */
  silentSince(ms: number): Set<Link> {
    const silent = new Set<Link>()
    for (const { members } of this.#groups.values()) for (const [link, { heardMs }] of members) if (heardMs < ms) silent.add(link)
    return silent
  }
}

/** Whether a topic came or went. */
function subscribe(known: Map<string, Subscription>, given: readonly Subscription[]): boolean {
  let changed = false
  for (const subscription of given) {
    const before = known.get(subscription.topic)
    if (before === undefined) changed = true
    if (before === undefined || subscription.subVersion > before.subVersion) known.set(subscription.topic, subscription)
  }
  const topics = new Set(given.map(({ topic }) => topic))
  for (const topic of known.keys()) {
    if (topics.has(topic)) continue
    known.delete(topic)
    changed = true
  }
  return changed
}

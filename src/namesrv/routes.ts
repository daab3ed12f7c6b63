/**
 * Which brokers there are, and which topics they have: RocketMQ's RouteInfoManager. No sockets and no clock: who registered over which connection, and
 * when, is told.
 */
import { type DataVersion, sameVersion } from '../protocol/bodies/data-version.js'
import type { Registration } from '../protocol/bodies/registration.js'
import { PERM_READ, PERM_WRITE, UNIT, UNIT_SUB } from '../protocol/bodies/topic-config.js'
import type { BrokerData, ClusterInfo, QueueData, TopicRoute } from '../protocol/bodies/topic-route.js'

/** A broker that has registered. `Link` is what it did so over, told apart by identity. */
interface LiveBroker<Link> {
  readonly link: Link
  readonly dataVersion: DataVersion
  readonly haServerAddr: string
  readonly filterServers: readonly string[]
  lastUpdateMs: number
}

export interface BrokerIdentity {
  readonly clusterName: string
  readonly brokerName: string
  readonly brokerAddr: string
  readonly brokerId: number
}

const MASTER_ID = 0

export class Routes<Link> {
  /** Topic → broker name → queues. */
  readonly #topics = new Map<string, Map<string, QueueData>>()
  readonly #brokers = new Map<string, { cluster: string; addrs: Map<number, string> }>()
  readonly #clusters = new Map<string, Set<string>>()
  /** By address. */
  readonly #live = new Map<string, LiveBroker<Link>>()

  /** Of a slave: where its master is, when that is live. */
  register(
    { clusterName, brokerName, brokerAddr, brokerId }: BrokerIdentity,
    { dataVersion, topics, filterServers }: Registration,
    { link, haServerAddr, nowMs }: { link: Link; haServerAddr: string; nowMs: number },
  ): { masterAddr?: string; haServerAddr?: string } {
    getOrMake(this.#clusters, clusterName, () => new Set<string>()).add(brokerName)
    const broker = getOrMake(this.#brokers, brokerName, () => ({ cluster: clusterName, addrs: new Map<number, string>() }))
    // A slave that has become the master is there once.
    for (const [id, addr] of broker.addrs) if (addr === brokerAddr && id !== brokerId) broker.addrs.delete(id)
    const isNew = broker.addrs.get(brokerId) !== brokerAddr
    broker.addrs.set(brokerId, brokerAddr)
    const known = this.#live.get(brokerAddr)
    if (brokerId === MASTER_ID && (isNew || !sameVersion(known?.dataVersion, dataVersion)))
      for (const { topicName, perm, readQueueNums, writeQueueNums, topicSysFlag } of topics)
        getOrMake(this.#topics, topicName, () => new Map<string, QueueData>()).set(brokerName, {
          brokerName,
          perm,
          readQueueNums,
          writeQueueNums,
          topicSysFlag,
        })
    this.#live.set(brokerAddr, { link, dataVersion, haServerAddr, filterServers, lastUpdateMs: nowMs })
    if (brokerId === MASTER_ID) return {}
    const masterAddr = broker.addrs.get(MASTER_ID)
    const master = masterAddr === undefined ? undefined : this.#live.get(masterAddr)
    return master === undefined || masterAddr === undefined ? {} : { masterAddr, haServerAddr: master.haServerAddr }
  }

  /** Whether the broker has another version than is known of it; where not, it has been heard of. */
  changed(brokerAddr: string, version: DataVersion, nowMs: number): boolean {
    const live = this.#live.get(brokerAddr)
    if (live === undefined || !sameVersion(live.dataVersion, version)) return true
    live.lastUpdateMs = nowMs
    return false
  }

  dataVersion(brokerAddr: string): DataVersion | undefined {
    return this.#live.get(brokerAddr)?.dataVersion
  }

  unregister({ brokerName, brokerAddr, brokerId }: BrokerIdentity): void {
    this.#live.delete(brokerAddr)
    const broker = this.#brokers.get(brokerName)
    if (broker?.addrs.get(brokerId) !== brokerAddr) return
    broker.addrs.delete(brokerId)
    if (broker.addrs.size === 0) this.#forget(brokerName, broker.cluster)
  }

  /** All that registered over a connection that is gone. */
  removeLink(link: Link): void {
    for (const [addr, live] of this.#live) if (live.link === link) this.#remove(addr)
  }

  /** Those that have not been heard of since; their connections. */
  expire(beforeMs: number): Link[] {
    const links: Link[] = []
    for (const [addr, { lastUpdateMs, link }] of this.#live) {
      if (lastUpdateMs >= beforeMs) continue
      this.#remove(addr)
      links.push(link)
    }
    return links
  }

  #remove(brokerAddr: string): void {
    this.#live.delete(brokerAddr)
    for (const [brokerName, { cluster, addrs }] of this.#brokers) {
      for (const [id, addr] of addrs) if (addr === brokerAddr) addrs.delete(id)
      if (addrs.size === 0) this.#forget(brokerName, cluster)
    }
  }

  #forget(brokerName: string, clusterName: string): void {
    this.#brokers.delete(brokerName)
    const cluster = this.#clusters.get(clusterName)
    cluster?.delete(brokerName)
    if (cluster?.size === 0) this.#clusters.delete(clusterName)
    for (const topic of this.#topics.keys()) this.#forgetTopicOf(topic, brokerName)
  }

  #forgetTopicOf(topic: string, brokerName: string): void {
    const queues = this.#topics.get(topic)
    queues?.delete(brokerName)
    if (queues?.size === 0) this.#topics.delete(topic)
  }

  /** Undefined where no live broker has the topic. */
  route(topic: string): TopicRoute | undefined {
    const queues = this.#topics.get(topic)
    if (queues === undefined) return undefined
    const brokerDatas = [...queues.keys()].flatMap((name) => this.#brokerData(name) ?? [])
    if (brokerDatas.length === 0) return undefined
    const filterServerTable = new Map<string, readonly string[]>()
    for (const { brokerAddrs } of brokerDatas)
      for (const addr of brokerAddrs.values()) {
        const filterServers = this.#live.get(addr)?.filterServers ?? []
        if (filterServers.length > 0) filterServerTable.set(addr, filterServers)
      }
    return { brokerDatas, queueDatas: [...queues.values()], filterServerTable }
  }

  #brokerData(brokerName: string): BrokerData | undefined {
    const broker = this.#brokers.get(brokerName)
    return broker && { brokerName, cluster: broker.cluster, brokerAddrs: new Map(broker.addrs) }
  }

  clusterInfo(): ClusterInfo {
    return {
      brokerAddrTable: new Map([...this.#brokers.keys()].map((name) => [name, this.#brokerData(name) as BrokerData])),
      clusterAddrTable: new Map([...this.#clusters].map(([name, brokers]) => [name, [...brokers]])),
    }
  }

  topics(): string[] {
    return [...this.#topics.keys()]
  }

  topicsOfCluster(clusterName: string): string[] {
    const brokers = this.#clusters.get(clusterName) ?? new Set()
    return this.topics().filter((topic) =>
      [...(this.#topics.get(topic) as Map<string, QueueData>).keys()].some((name) => brokers.has(name)),
    )
  }

  /** Names of clusters and brokers, which no topic may have, and a live broker that knows more of them. */
  systemTopics(): { topicList: string[]; brokerAddr?: string } {
    const topicList = [...this.#clusters].flatMap(([name, brokers]) => [name, ...brokers])
    const [first] = this.#brokers.values()
    const brokerAddr = first && [...first.addrs].sort(([a], [b]) => a - b)[0]?.[1]
    return brokerAddr === undefined ? { topicList } : { topicList, brokerAddr }
  }

  /** By the bits of the topicSysFlag of the first broker that has the topic. */
  unitTopics(which: 'unit' | 'unitSub' | 'unitSubNotUnit'): string[] {
    return this.topics().filter((topic) => {
      const [first] = (this.#topics.get(topic) as Map<string, QueueData>).values()
      const flag = first?.topicSysFlag ?? 0
      if (which === 'unit') return (flag & UNIT) !== 0
      return (flag & UNIT_SUB) !== 0 && (which === 'unitSub' || (flag & UNIT) === 0)
    })
  }

  /** On all topics of a broker; how many those are. */
  wipeWritePermission(brokerName: string): number {
    return this.#changePermission(brokerName, (perm) => perm & ~PERM_WRITE)
  }

  addWritePermission(brokerName: string): number {
    return this.#changePermission(brokerName, () => PERM_READ | PERM_WRITE)
  }

  #changePermission(brokerName: string, change: (perm: number) => number): number {
    let count = 0
    for (const queues of this.#topics.values()) {
      const data = queues.get(brokerName)
      if (data === undefined) continue
      queues.set(brokerName, { ...data, perm: change(data.perm) })
      count++
    }
    return count
  }

  /** Without a cluster, of all brokers. */
  deleteTopic(topic: string, clusterName?: string): void {
    if (clusterName === undefined) this.#topics.delete(topic)
    else for (const brokerName of this.#clusters.get(clusterName) ?? []) this.#forgetTopicOf(topic, brokerName)
  }
}

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}

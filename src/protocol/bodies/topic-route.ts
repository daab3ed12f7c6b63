/** Where a topic's queues are: what clients ask a name server for. And all brokers by cluster, in the same terms. */
import { writeFastjson } from '../fastjson.js'
import { bodyValue, entriesOf, listOf, numberOf, objectOf, textOf } from './values.js'

/** Brokers of one name: a master (id 0) and its slaves. */
export interface BrokerData {
  readonly cluster: string
  readonly brokerName: string
  readonly brokerAddrs: ReadonlyMap<number, string>
}

/** A topic's queues on the brokers of one name. */
export interface QueueData {
  readonly brokerName: string
  readonly perm: number
  readonly readQueueNums: number
  readonly writeQueueNums: number
  readonly topicSysFlag: number
}

export interface TopicRoute {
  readonly brokerDatas: readonly BrokerData[]
  readonly queueDatas: readonly QueueData[]
  readonly filterServerTable: ReadonlyMap<string, readonly string[]>
  /** `broker-a:4;broker-b:4` for a topic that is ordered over all brokers. */
  readonly orderTopicConf?: string | undefined
}

export interface ClusterInfo {
  readonly brokerAddrTable: ReadonlyMap<string, BrokerData>
  readonly clusterAddrTable: ReadonlyMap<string, readonly string[]>
}

/** `standard`: broker ids in quotes, which is ordinary JSON. */
export function writeTopicRoute(
  { brokerDatas, queueDatas, filterServerTable, orderTopicConf }: TopicRoute,
  { standard }: { standard: boolean },
): Buffer {
  return Buffer.from(
    writeFastjson({
      brokerDatas: brokerDatas.map((data) => brokerBean(data, standard)),
      filterServerTable,
      orderTopicConf,
      queueDatas,
    }),
  )
}

export function readTopicRoute(body: Uint8Array): TopicRoute {
  const value = objectOf(bodyValue(body))
  return {
    brokerDatas: listOf(value.brokerDatas).map(brokerDataOf),
    queueDatas: listOf(value.queueDatas).map((given) => {
      const data = objectOf(given)
      return {
        brokerName: textOf(data.brokerName),
        perm: numberOf(data.perm, 0),
        readQueueNums: numberOf(data.readQueueNums, 0),
        writeQueueNums: numberOf(data.writeQueueNums, 0),
        // Before 4.9.0 it was misspelt.
        topicSysFlag: numberOf(data.topicSysFlag ?? data.topicSynFlag, 0),
      }
    }),
    filterServerTable: new Map(entriesOf(value.filterServerTable).map(([addr, list]) => [textOf(addr), listOf(list).map(textOf)])),
    ...(value.orderTopicConf !== undefined && value.orderTopicConf !== null && { orderTopicConf: textOf(value.orderTopicConf) }),
  }
}

/** In fastjson's dialect, whoever asks. */
export function writeClusterInfo({ brokerAddrTable, clusterAddrTable }: ClusterInfo): Buffer {
  const brokers = new Map([...brokerAddrTable].map(([name, data]) => [name, brokerBean(data, false)]))
  return Buffer.from(writeFastjson({ brokerAddrTable: brokers, clusterAddrTable }))
}

export function readClusterInfo(body: Uint8Array): ClusterInfo {
  const value = objectOf(bodyValue(body))
  return {
    brokerAddrTable: new Map(entriesOf(value.brokerAddrTable).map(([name, data]) => [textOf(name), brokerDataOf(data)])),
    clusterAddrTable: new Map(entriesOf(value.clusterAddrTable).map(([name, list]) => [textOf(name), listOf(list).map(textOf)])),
  }
}

function brokerBean({ brokerAddrs, brokerName, cluster }: BrokerData, standard: boolean) {
  const ids = [...brokerAddrs].sort(([a], [b]) => a - b)
  return { brokerAddrs: new Map(ids.map(([id, addr]) => [standard ? String(id) : id, addr])), brokerName, cluster }
}

function brokerDataOf(given: Parameters<typeof objectOf>[0]): BrokerData {
  const data = objectOf(given)
  return {
    cluster: textOf(data.cluster),
    brokerName: textOf(data.brokerName),
    brokerAddrs: new Map(entriesOf(data.brokerAddrs).map(([id, addr]) => [Number(id), textOf(addr)])),
  }
}

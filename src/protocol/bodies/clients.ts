/** The clients of a group, and the groups of a topic, as tools list them. */
import { type FastjsonValue, writeFastjson } from '../fastjson.js'
import type { ConsumerData, Subscription } from './heartbeat.js'
import { subscriptionOf } from './heartbeat.js'
import { bodyValue, entriesOf, listOf, numberOf, objectOf, textOf } from './values.js'

export function writeConsumerIds(consumerIdList: readonly string[]): Buffer {
  return Buffer.from(writeFastjson({ consumerIdList }))
}

export function readConsumerIds(body: Uint8Array): string[] {
  return listOf(objectOf(bodyValue(body)).consumerIdList).map(textOf)
}

export interface ClientConnection {
  readonly clientId: string
  /** `ip:port`. */
  readonly clientAddr: string
  readonly language: string | undefined
  readonly version: number
}

export interface ProducerConnections {
  readonly connectionSet: readonly ClientConnection[]
}

export interface ConsumerConnections extends ProducerConnections, Pick<ConsumerData, 'consumeType' | 'messageModel' | 'consumeFromWhere'> {
  readonly subscriptionTable: ReadonlyMap<string, Subscription>
}

export function writeConnections(connections: ProducerConnections | ConsumerConnections): Buffer {
  return Buffer.from(writeFastjson(connections))
}

export function readProducerConnections(body: Uint8Array): ProducerConnections {
  return { connectionSet: listOf(objectOf(bodyValue(body)).connectionSet).map(connectionOf) }
}

export function readConsumerConnections(body: Uint8Array): ConsumerConnections {
  const { connectionSet, consumeType, messageModel, consumeFromWhere, subscriptionTable } = objectOf(bodyValue(body))
  return {
    connectionSet: listOf(connectionSet).map(connectionOf),
    consumeType: textOf(consumeType) as ConsumerConnections['consumeType'],
    messageModel: textOf(messageModel) as ConsumerConnections['messageModel'],
    consumeFromWhere: textOf(consumeFromWhere),
    subscriptionTable: new Map(entriesOf(subscriptionTable).map(([topic, given]) => [textOf(topic), subscriptionOf(given)])),
  }
}

/** A producer as the list of all of them has it. */
export interface ProducerInfo extends Omit<ClientConnection, 'clientAddr'> {
  /** `/ip:port`. */
  readonly remoteIP: string
  /** Unix milliseconds. */
  readonly lastUpdateTimestamp: number
}

/** By group. */
export function writeProducers(data: ReadonlyMap<string, readonly ProducerInfo[]>): Buffer {
  return Buffer.from(writeFastjson({ data }))
}

export function writeGroupList(groupList: readonly string[]): Buffer {
  return Buffer.from(writeFastjson({ groupList }))
}

export function readGroupList(body: Uint8Array): string[] {
  return listOf(objectOf(bodyValue(body)).groupList).map(textOf)
}

function connectionOf(given: FastjsonValue): ClientConnection {
  const { clientId, clientAddr, language, version } = objectOf(given)
  return { clientId: textOf(clientId), clientAddr: textOf(clientAddr), language: textOf(language), version: numberOf(version, 0) }
}

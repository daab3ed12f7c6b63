/** What a client tells each broker: its groups, and what its consumers have subscribed to. */
import type { FastjsonValue } from '../fastjson.js'
import { writeFastjson } from '../fastjson.js'
import { bodyValue, entriesOf, listOf, neededBody, numberOf, objectOf, textOf } from './values.js'

export type MessageModel = 'CLUSTERING' | 'BROADCASTING'
/** Pushed to, or pulling by itself. */
export type ConsumeType = 'CONSUME_PASSIVELY' | 'CONSUME_ACTIVELY' | 'CONSUME_POP'

export interface Subscription {
  readonly topic: string
  /** TAG or SQL92. */
  readonly expressionType: string
  readonly subString: string
  readonly subVersion: number
  readonly classFilterMode: boolean
  readonly tagsSet: readonly string[]
  readonly codeSet: readonly number[]
}

export interface ConsumerData {
  readonly groupName: string
  readonly consumeType: ConsumeType
  readonly messageModel: MessageModel
  readonly consumeFromWhere: string
  readonly subscriptionDataSet: readonly Subscription[]
  readonly unitMode: boolean
}

export interface Heartbeat {
  readonly clientID: string
  readonly producerGroups: readonly string[]
  readonly consumers: readonly ConsumerData[]
}

const CONSUME_TYPES: readonly ConsumeType[] = ['CONSUME_PASSIVELY', 'CONSUME_ACTIVELY', 'CONSUME_POP']

export function readHeartbeat(body: Uint8Array): Heartbeat {
  const value = objectOf(neededBody(body))
  return {
    clientID: textOf(value.clientID),
    producerGroups: listOf(value.producerDataSet).map((producer) => textOf(objectOf(producer).groupName)),
    consumers: listOf(value.consumerDataSet).map(consumerOf),
  }
}

export function writeHeartbeat({ clientID, producerGroups, consumers }: Heartbeat): Buffer {
  const producerDataSet = producerGroups.map((groupName) => ({ groupName }))
  return Buffer.from(writeFastjson({ clientID, producerDataSet, consumerDataSet: consumers }))
}

export interface ClientConfig {
  readonly clientId: string
  readonly group: string
  readonly subscription: Subscription | undefined
}

/** The body of CHECK_CLIENT_CONFIG. */
export function readClientConfig(body: Uint8Array): ClientConfig {
  const { clientId, group, subscriptionData } = objectOf(bodyValue(body))
  const subscription = subscriptionData === undefined || subscriptionData === null ? undefined : subscriptionOf(subscriptionData)
  return { clientId: textOf(clientId), group: textOf(group), subscription }
}

function consumerOf(given: FastjsonValue): ConsumerData {
  const { groupName, consumeType, messageModel, consumeFromWhere, subscriptionDataSet, unitMode } = objectOf(given)
  return {
    groupName: textOf(groupName),
    consumeType: CONSUME_TYPES.find((type) => type === consumeType) ?? 'CONSUME_PASSIVELY',
    messageModel: messageModel === 'BROADCASTING' ? 'BROADCASTING' : 'CLUSTERING',
    consumeFromWhere: textOf(consumeFromWhere),
    subscriptionDataSet: itemsOf(subscriptionDataSet).map(subscriptionOf),
    unitMode: unitMode === true,
  }
}

export function subscriptionOf(given: FastjsonValue): Subscription {
  const { topic, expressionType, subString, subVersion, classFilterMode, tagsSet, codeSet } = objectOf(given)
  return {
    topic: textOf(topic),
    expressionType: expressionType === undefined || expressionType === null ? 'TAG' : textOf(expressionType),
    subString: subString === undefined || subString === null ? '*' : textOf(subString),
    subVersion: numberOf(subVersion, 0),
    classFilterMode: classFilterMode === true,
    tagsSet: itemsOf(tagsSet).map(textOf),
    codeSet: itemsOf(codeSet).map((code) => numberOf(code, 0)),
  }
}

/** A set may come as a map from its items. */
function itemsOf(value: FastjsonValue): readonly FastjsonValue[] {
  return Array.isArray(value) ? value : entriesOf(value).map(([key]) => key)
}

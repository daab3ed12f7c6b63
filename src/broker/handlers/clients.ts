/** Who is connected, and what a topic holds and for whom: what tools show. */
import type { ClientConnection, ProducerInfo } from '../../protocol/bodies/clients.js'
import { writeConnections, writeGroupList, writeProducers } from '../../protocol/bodies/clients.js'
import type { MessageQueue, QueueBounds } from '../../protocol/bodies/message-queue.js'
import { writeTopicStats } from '../../protocol/bodies/message-queue.js'
import type { Command } from '../../protocol/command.js'
import {
  GET_CONSUMER_CONNECTION_LIST,
  GET_PRODUCER_CONNECTION_LIST,
  GET_TOPIC_STATS_INFO,
  QUERY_TOPIC_CONSUME_BY_WHO,
} from '../../protocol/requests/broker.js'
import { ResponseCode } from '../../protocol/response-code.js'
import type { Connection } from '../../remoting/connection.js'
import type { Answer } from '../../remoting/remoting-server.js'
import type { Client } from '../consumers.js'
import type { BrokerContext } from '../context.js'

export function consumerConnections({ consumers }: BrokerContext, request: Command): Answer {
  const { consumerGroup = '' } = GET_CONSUMER_CONNECTION_LIST.fields.read(request.fields)
  const group = consumers.group(consumerGroup)
  if (group === undefined) return { code: ResponseCode.CONSUMER_NOT_ONLINE, remark: `the consumer group[${consumerGroup}] not online` }
  const { members, consumeType, messageModel, consumeFromWhere, subscriptions } = group
  const told = { connectionSet: connections(members), consumeType, messageModel, consumeFromWhere, subscriptionTable: subscriptions }
  return { body: writeConnections(told) }
}

export function producerConnections({ producers }: BrokerContext, request: Command): Answer {
  const { producerGroup = '' } = GET_PRODUCER_CONNECTION_LIST.fields.read(request.fields)
  const members = producers.groups.get(producerGroup)
  if (members === undefined) return { code: ResponseCode.SYSTEM_ERROR, remark: `the producer group[${producerGroup}] not exist` }
  return { body: writeConnections({ connectionSet: connections(members) }) }
}

export function allProducers({ producers }: BrokerContext): Answer {
  const infoOf = ([{ remote }, { clientId, language, version, heardMs }]: [Connection, Client]): ProducerInfo => ({
    ...{ clientId, language, version, remoteIP: `/${remote}`, lastUpdateTimestamp: heardMs },
  })
  return { body: writeProducers(new Map([...producers.groups].map(([group, members]) => [group, [...members].map(infoOf)]))) }
}

/** Groups that have subscribed to a topic, or have offsets in it. */
export function consumersOfTopic({ consumers, offsets }: BrokerContext, request: Command): Answer {
  const { topic = '' } = QUERY_TOPIC_CONSUME_BY_WHO.fields.read(request.fields)
  const groups = new Set(offsets.groupsOf(topic))
  for (const { name, subscriptions } of consumers.groups) if (subscriptions.has(topic)) groups.add(name)
  return { body: writeGroupList([...groups]) }
}

export async function topicStats({ topics, store, settings }: BrokerContext, request: Command): Promise<Answer> {
  const { topic = '' } = GET_TOPIC_STATS_INFO.fields.read(request.fields)
  const config = topics.get(topic)
  if (config === undefined) return { code: ResponseCode.TOPIC_NOT_EXIST, remark: `topic[${topic}] not exist` }
  const table = new Map<MessageQueue, QueueBounds>()
  for (let queueId = 0; queueId < config.writeQueueNums; queueId++) {
    const span = await store.timeSpan({ topic, queueId })
    table.set(
      { brokerName: settings.brokerName, queueId, topic },
      { ...store.bounds(topic, queueId), lastUpdateTimestamp: span?.latest ?? 0 },
    )
  }
  return { body: writeTopicStats(table) }
}

function connections(members: ReadonlyMap<Connection, Client>): ClientConnection[] {
  return [...members].map(([{ remote }, { clientId, language, version }]) => ({ clientAddr: remote, clientId, language, version }))
}

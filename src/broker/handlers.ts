/** Which request is answered by what. */
import type { Command } from '../protocol/command.js'
import * as requests from '../protocol/requests/broker.js'
import type { Connection } from '../remoting/connection.js'
import type { Answer, LaterAnswer } from '../remoting/remoting-server.js'
import type { BrokerContext } from './context.js'
import { brokerConfig } from './handlers/broker-config.js'
import { allProducers, consumerConnections, consumersOfTopic, producerConnections, topicStats } from './handlers/clients.js'
import { consumerList } from './handlers/consumer-list.js'
import { allConsumerOffsets, allDelayOffsets, queryConsumerOffset, updateConsumerOffset } from './handlers/consumer-offsets.js'
import { queryMessages, viewMessage } from './handlers/find-messages.js'
import { allGroups, deleteGroup, updateGroup } from './handlers/groups.js'
import { checkClientConfig, heartbeat, unregisterClient } from './handlers/heartbeat.js'
import { pullMessage } from './handlers/pull-message.js'
import { earliestStoreTime, maxOffset, minOffset, offsetByTime } from './handlers/queue-bounds.js'
import { lockQueues, unlockQueues } from './handlers/queue-locks.js'
import { sendBack } from './handlers/send-back.js'
import { sendMessage, sendMessageV2 } from './handlers/send-message.js'
import { allTopics, deleteTopic, systemTopics, updateTopic } from './handlers/topics.js'

type BrokerHandler = (context: BrokerContext, request: Command, connection: Connection) => Answer | Promise<Answer | LaterAnswer>

/** `vip`: for the second port, which takes no pulls, so that sends are not behind them. */
export function handlersOf({ vip = false } = {}): [{ readonly code: number }, BrokerHandler][] {
  const pulls: [{ readonly code: number }, BrokerHandler][] = [
    [requests.PULL_MESSAGE, pullMessage],
    [requests.LITE_PULL_MESSAGE, pullMessage],
  ]
  return [
    ...(vip ? [] : pulls),
    [requests.SEND_MESSAGE, sendMessage],
    [requests.SEND_MESSAGE_V2, sendMessageV2],
    [requests.SEND_BATCH_MESSAGE, sendMessageV2],
    [requests.CONSUMER_SEND_MSG_BACK, sendBack],
    [requests.QUERY_MESSAGE, queryMessages],
    [requests.VIEW_MESSAGE_BY_ID, viewMessage],
    [requests.QUERY_CONSUMER_OFFSET, queryConsumerOffset],
    [requests.UPDATE_CONSUMER_OFFSET, updateConsumerOffset],
    [requests.SEARCH_OFFSET_BY_TIMESTAMP, offsetByTime],
    [requests.GET_MAX_OFFSET, maxOffset],
    [requests.GET_MIN_OFFSET, minOffset],
    [requests.GET_EARLIEST_MSG_STORETIME, earliestStoreTime],
    [requests.HEART_BEAT, heartbeat],
    [requests.UNREGISTER_CLIENT, unregisterClient],
    [requests.CHECK_CLIENT_CONFIG, checkClientConfig],
    [requests.GET_CONSUMER_LIST_BY_GROUP, consumerList],
    [requests.GET_CONSUMER_CONNECTION_LIST, consumerConnections],
    [requests.GET_PRODUCER_CONNECTION_LIST, producerConnections],
    [requests.GET_ALL_PRODUCER_INFO, allProducers],
    [requests.QUERY_TOPIC_CONSUME_BY_WHO, consumersOfTopic],
    [requests.GET_TOPIC_STATS_INFO, topicStats],
    [requests.LOCK_BATCH_MQ, lockQueues],
    [requests.UNLOCK_BATCH_MQ, unlockQueues],
    [requests.UPDATE_AND_CREATE_TOPIC, updateTopic],
    [requests.DELETE_TOPIC_IN_BROKER, deleteTopic],
    [requests.GET_ALL_TOPIC_CONFIG, allTopics],
    [requests.GET_SYSTEM_TOPIC_LIST_FROM_BROKER, systemTopics],
    [requests.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, updateGroup],
    [requests.DELETE_SUBSCRIPTIONGROUP, deleteGroup],
    [requests.GET_ALL_SUBSCRIPTIONGROUP_CONFIG, allGroups],
    [requests.GET_ALL_CONSUMER_OFFSET, allConsumerOffsets],
    [requests.GET_ALL_DELAY_OFFSET, allDelayOffsets],
    [requests.GET_BROKER_CONFIG, brokerConfig],
  ]
}

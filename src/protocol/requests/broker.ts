/** What clients and tools ask a broker, and a broker its clients. The bodies are in `bodies/`. */
import { bool, int32, int64, key, optional, request, text } from '../fields.js'

const queue = { topic: key, queueId: int32 }
const brokerName = { bname: optional(text) }

/** MSG_REGION and TRACE_ON are told on refusals too. */
const sendAnswer = {
  queueId: optional(int32),
  TRACE_ON: optional(text),
  MSG_REGION: optional(text),
  msgId: optional(text),
  queueOffset: optional(int64),
  transactionId: optional(text),
}

export const SEND_MESSAGE = request(
  10,
  'SEND_MESSAGE',
  {
    producerGroup: text,
    topic: text,
    defaultTopic: text,
    defaultTopicQueueNums: int32,
    queueId: int32,
    sysFlag: int32,
    bornTimestamp: int64,
    flag: int32,
    properties: optional(text),
    reconsumeTimes: optional(int32),
    unitMode: optional(bool),
    batch: optional(bool),
    maxReconsumeTimes: optional(int32),
    ...brokerName,
  },
  sendAnswer,
)
/** The fields of SEND_MESSAGE as letters; SEND_BATCH_MESSAGE has the same. */
const sendV2 = {
  a: text,
  b: text,
  c: text,
  d: int32,
  e: int32,
  f: int32,
  g: int64,
  h: int32,
  i: optional(text),
  j: optional(int32),
  k: optional(bool),
  l: optional(int32),
  m: optional(bool),
  n: optional(text),
}
export const SEND_MESSAGE_V2 = request(310, 'SEND_MESSAGE_V2', sendV2, sendAnswer, { exact: true })
/** Body: bodies/batch.ts. */
export const SEND_BATCH_MESSAGE = request(320, 'SEND_BATCH_MESSAGE', sendV2, sendAnswer, { exact: true })

const pull = {
  consumerGroup: key,
  topic: text,
  queueId: int32,
  queueOffset: int64,
  maxMsgNums: int32,
  sysFlag: int32,
  commitOffset: int64,
  suspendTimeoutMillis: int64,
  subscription: optional(text),
  subVersion: int64,
  expressionType: optional(text),
  ...brokerName,
}
const pullAnswer = { suggestWhichBrokerId: int64, nextBeginOffset: int64, maxOffset: int64, minOffset: int64 }
/** The answer's body: records, back to back. */
export const PULL_MESSAGE = request(11, 'PULL_MESSAGE', pull, pullAnswer, { exact: true })
/** As 5.x's lite pull consumer asks. */
export const LITE_PULL_MESSAGE = request(361, 'LITE_PULL_MESSAGE', pull, pullAnswer, { exact: true })

/** Bits of a pull's sysFlag. */
export const PULL_COMMITS = 0x1
export const PULL_SUSPENDS = 0x2
export const PULL_HAS_SUBSCRIPTION = 0x4

export const QUERY_MESSAGE = request(
  12,
  'QUERY_MESSAGE',
  { topic: text, key: text, maxNum: int32, beginTimestamp: int64, endTimestamp: int64, _UNIQUE_KEY_QUERY: optional(text) },
  { indexLastUpdatePhyoffset: int64, indexLastUpdateTimestamp: int64 },
)
export const VIEW_MESSAGE_BY_ID = request(33, 'VIEW_MESSAGE_BY_ID', { offset: int64 })
export const QUERY_CONSUMER_OFFSET = request(
  14,
  'QUERY_CONSUMER_OFFSET',
  { consumerGroup: text, ...queue, ...brokerName, setZeroIfNotFound: optional(bool) },
  { offset: int64 },
)
export const UPDATE_CONSUMER_OFFSET = request(15, 'UPDATE_CONSUMER_OFFSET', {
  consumerGroup: text,
  ...queue,
  commitOffset: int64,
  ...brokerName,
})
export const SEARCH_OFFSET_BY_TIMESTAMP = request(
  29,
  'SEARCH_OFFSET_BY_TIMESTAMP',
  { ...queue, timestamp: int64, ...brokerName, boundaryType: optional(text) },
  { offset: int64 },
)
export const GET_MAX_OFFSET = request(30, 'GET_MAX_OFFSET', { ...queue, ...brokerName }, { offset: int64 })
export const GET_MIN_OFFSET = request(31, 'GET_MIN_OFFSET', { ...queue, ...brokerName }, { offset: int64 })
export const GET_EARLIEST_MSG_STORETIME = request(32, 'GET_EARLIEST_MSG_STORETIME', { ...queue, ...brokerName }, { timestamp: int64 })
/** Body: bodies/heartbeat.ts. */
export const HEART_BEAT = request(34, 'HEART_BEAT', {})
export const UNREGISTER_CLIENT = request(35, 'UNREGISTER_CLIENT', {
  clientID: text,
  producerGroup: optional(text),
  consumerGroup: optional(text),
})
export const CONSUMER_SEND_MSG_BACK = request(36, 'CONSUMER_SEND_MSG_BACK', {
  offset: int64,
  group: text,
  delayLevel: int32,
  originMsgId: optional(text),
  originTopic: optional(text),
  unitMode: optional(bool),
  maxReconsumeTimes: optional(int32),
  ...brokerName,
})
/** The answer's body: bodies/clients.ts, a list of client ids. */
export const GET_CONSUMER_LIST_BY_GROUP = request(38, 'GET_CONSUMER_LIST_BY_GROUP', { consumerGroup: text })
/** Of a broker to each consumer of a group; oneway. */
export const NOTIFY_CONSUMER_IDS_CHANGED = request(40, 'NOTIFY_CONSUMER_IDS_CHANGED', { consumerGroup: text })
/** Bodies: bodies/queue-lock.ts. */
export const LOCK_BATCH_MQ = request(41, 'LOCK_BATCH_MQ', {})
export const UNLOCK_BATCH_MQ = request(42, 'UNLOCK_BATCH_MQ', {})
/** Body: bodies/heartbeat.ts, one subscription. */
export const CHECK_CLIENT_CONFIG = request(46, 'CHECK_CLIENT_CONFIG', {})

export const UPDATE_AND_CREATE_TOPIC = request(17, 'UPDATE_AND_CREATE_TOPIC', {
  topic: text,
  defaultTopic: text,
  readQueueNums: int32,
  writeQueueNums: int32,
  perm: int32,
  topicFilterType: text,
  topicSysFlag: optional(int32),
  order: optional(bool),
})
export const GET_ALL_TOPIC_CONFIG = request(21, 'GET_ALL_TOPIC_CONFIG', {})
/** The answer's body: lines `key=value`. */
export const GET_BROKER_CONFIG = request(26, 'GET_BROKER_CONFIG', {}, { version: text })
export const GET_ALL_CONSUMER_OFFSET = request(43, 'GET_ALL_CONSUMER_OFFSET', {})
export const GET_ALL_DELAY_OFFSET = request(45, 'GET_ALL_DELAY_OFFSET', {})
export const UPDATE_AND_CREATE_SUBSCRIPTIONGROUP = request(200, 'UPDATE_AND_CREATE_SUBSCRIPTIONGROUP', {})
export const GET_ALL_SUBSCRIPTIONGROUP_CONFIG = request(201, 'GET_ALL_SUBSCRIPTIONGROUP_CONFIG', {})
/** 5.x says `cleanOffset` where 4.9 says `removeOffset`. */
export const DELETE_SUBSCRIPTIONGROUP = request(207, 'DELETE_SUBSCRIPTIONGROUP', {
  groupName: key,
  removeOffset: optional(bool),
  cleanOffset: optional(bool),
})
/** The answers' bodies: bodies/clients.ts and bodies/message-queue.ts. */
export const GET_TOPIC_STATS_INFO = request(202, 'GET_TOPIC_STATS_INFO', { topic: text })
export const GET_CONSUMER_CONNECTION_LIST = request(203, 'GET_CONSUMER_CONNECTION_LIST', { consumerGroup: text })
export const GET_PRODUCER_CONNECTION_LIST = request(204, 'GET_PRODUCER_CONNECTION_LIST', { producerGroup: text })
export const QUERY_TOPIC_CONSUME_BY_WHO = request(300, 'QUERY_TOPIC_CONSUME_BY_WHO', { topic: text })
export const GET_ALL_PRODUCER_INFO = request(328, 'GET_ALL_PRODUCER_INFO', {})
export const DELETE_TOPIC_IN_BROKER = request(215, 'DELETE_TOPIC_IN_BROKER', { topic: text })
export const GET_SYSTEM_TOPIC_LIST_FROM_BROKER = request(305, 'GET_SYSTEM_TOPIC_LIST_FROM_BROKER', {})

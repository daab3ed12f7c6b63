/** Names of topics: which are allowed, which are RocketMQ's own. */
import { SCHEDULE_TOPIC } from '../format/tag-code.js'
import type { BrokerSettings } from './settings.js'

export const RETRY_PREFIX = '%RETRY%'
export const DLQ_PREFIX = '%DLQ%'
export const REPLY_TOPIC_SUFFIX = '_REPLY_TOPIC'

const LEGAL = /^[%|a-zA-Z0-9_-]+$/
const MAX_LENGTH = 127
const NOT_FOR_SENDS = new Set([
  SCHEDULE_TOPIC,
  'RMQ_SYS_TRANS_HALF_TOPIC',
  'RMQ_SYS_TRANS_OP_HALF_TOPIC',
  'TRANS_CHECK_MAX_TIME_TOPIC',
  'SELF_TEST_TOPIC',
  'OFFSET_MOVED_EVENT',
])

/** What is wrong with a topic's name, in RocketMQ's words; undefined for one that is allowed. */
export function illegalName(topic: string): string | undefined {
  if (topic.trim() === '') return 'The specified topic is blank.'
  if (!LEGAL.test(topic)) return 'The specified topic contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$'
  if (topic.length > MAX_LENGTH) return 'The specified topic is longer than topic max length.'
  return undefined
}

export function refusesSends(topic: string): boolean {
  return NOT_FOR_SENDS.has(topic)
}

export function systemTopicNames({ brokerClusterName, brokerName, msgTraceTopicName }: BrokerSettings): Set<string> {
  return new Set([
    'TBW102',
    ...NOT_FOR_SENDS,
    'BenchmarkTest',
    msgTraceTopicName,
    brokerClusterName,
    brokerName,
    brokerClusterName + REPLY_TOPIC_SUFFIX,
  ])
}

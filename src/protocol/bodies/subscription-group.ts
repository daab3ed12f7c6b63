/** A consumer group as a broker has it. */
import type { FastjsonValue } from '../fastjson.js'
import { numberOf, objectOf, textOf } from './values.js'

export interface SubscriptionGroup {
  readonly groupName: string
  readonly consumeEnable: boolean
  readonly consumeFromMinEnable: boolean
  readonly consumeBroadcastEnable: boolean
  readonly notifyConsumerIdsChangedEnable: boolean
  readonly retryQueueNums: number
  readonly retryMaxTimes: number
  readonly brokerId: number
  readonly whichBrokerWhenConsumeSlowly: number
}

const RETRY_QUEUES = 1
const RETRY_TIMES = 16

export function subscriptionGroupOf(value: FastjsonValue): SubscriptionGroup {
  const given = objectOf(value)
  const isTrue = (flag: FastjsonValue) => flag !== false && flag !== 'false'
  return {
    groupName: textOf(given.groupName),
    consumeEnable: isTrue(given.consumeEnable),
    consumeFromMinEnable: isTrue(given.consumeFromMinEnable),
    consumeBroadcastEnable: isTrue(given.consumeBroadcastEnable),
    notifyConsumerIdsChangedEnable: isTrue(given.notifyConsumerIdsChangedEnable),
    retryQueueNums: numberOf(given.retryQueueNums, RETRY_QUEUES),
    retryMaxTimes: numberOf(given.retryMaxTimes, RETRY_TIMES),
    brokerId: numberOf(given.brokerId, 0),
    whichBrokerWhenConsumeSlowly: numberOf(given.whichBrokerWhenConsumeSlowly, 1),
  }
}

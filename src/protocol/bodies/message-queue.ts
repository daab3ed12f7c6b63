/** A queue as bodies name it, and locks on queues. */
import type { FastjsonValue } from '../fastjson.js'
import { writeFastjson } from '../fastjson.js'
import { bodyValue, entriesOf, listOf, neededBody, numberOf, objectOf, textOf } from './values.js'

export interface MessageQueue {
  readonly topic: string
  readonly brokerName: string
  readonly queueId: number
}

/** The body of LOCK_BATCH_MQ and UNLOCK_BATCH_MQ. */
export interface QueueLockRequest {
  readonly consumerGroup: string
  readonly clientId: string
  readonly mqSet: readonly MessageQueue[]
}

export function readQueueLockRequest(body: Uint8Array): QueueLockRequest {
  const { consumerGroup, clientId, mqSet } = objectOf(neededBody(body))
  return { consumerGroup: textOf(consumerGroup), clientId: textOf(clientId), mqSet: listOf(mqSet).map(messageQueueOf) }
}

export function writeQueueLockRequest(request: QueueLockRequest): Buffer {
  return Buffer.from(writeFastjson(request))
}

/** Those that were locked. */
export function writeLockedQueues(lockOKMQSet: readonly MessageQueue[]): Buffer {
  return Buffer.from(writeFastjson({ lockOKMQSet }))
}

export function readLockedQueues(body: Uint8Array): MessageQueue[] {
  return listOf(objectOf(bodyValue(body)).lockOKMQSet).map(messageQueueOf)
}

export function messageQueueOf(given: FastjsonValue): MessageQueue {
  const { topic, brokerName, queueId } = objectOf(given)
  return { topic: textOf(topic), brokerName: textOf(brokerName), queueId: numberOf(queueId, 0) }
}

/** Where a queue begins and ends, and when it was last written to. */
export interface QueueBounds {
  readonly minOffset: number
  readonly maxOffset: number
  /** Unix milliseconds of the last message; 0 without one. */
  readonly lastUpdateTimestamp: number
}

export function writeTopicStats(offsetTable: ReadonlyMap<MessageQueue, QueueBounds>): Buffer {
  return Buffer.from(writeFastjson({ offsetTable }))
}

export function readTopicStats(body: Uint8Array): Map<MessageQueue, QueueBounds> {
  return new Map(
    entriesOf(objectOf(bodyValue(body)).offsetTable).map(([queue, given]) => {
      const { minOffset, maxOffset, lastUpdateTimestamp } = objectOf(given)
      const bounds = { minOffset: numberOf(minOffset, 0), maxOffset: numberOf(maxOffset, 0) }
      return [messageQueueOf(queue), { ...bounds, lastUpdateTimestamp: numberOf(lastUpdateTimestamp, 0) }]
    }),
  )
}

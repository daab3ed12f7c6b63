/** A queue as bodies name it, and locks on queues. */
import type { FastjsonValue } from '../fastjson.js'
import { writeFastjson } from '../fastjson.js'
import { bodyValue, listOf, neededBody, numberOf, objectOf, textOf } from './values.js'

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

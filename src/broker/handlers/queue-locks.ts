/** Queues of which one client shall be the only consumer. */
import { readQueueLockRequest, writeLockedQueues } from '../../protocol/bodies/message-queue.js'
import type { Command } from '../../protocol/command.js'
import type { Answer } from '../../remoting/remoting-server.js'
import type { BrokerContext } from '../context.js'

export function lockQueues({ locks }: BrokerContext, request: Command): Answer {
  return { body: writeLockedQueues(locks.lock(readQueueLockRequest(request.body))) }
}

export function unlockQueues({ locks }: BrokerContext, request: Command): Answer {
  locks.unlock(readQueueLockRequest(request.body))
  return {}
}

/** Which client of a group has which queue for itself, for ordered consumption. In memory alone, and not tied to a connection: RocketMQ's RebalanceLockManager. */
import type { MessageQueue, QueueLockRequest } from '../protocol/bodies/message-queue.js'

/** Who has not asked again for so long has lost it. */
const LOCK_MS = 60_000

interface Lock {
  clientId: string
  sinceMs: number
}

export class QueueLocks {
  readonly #groups = new Map<string, Map<string, Lock>>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  /** Those that the client has now. */
  lock({ consumerGroup, clientId, mqSet }: QueueLockRequest): MessageQueue[] {
    const locks = this.#groups.get(consumerGroup) ?? new Map<string, Lock>()
    this.#groups.set(consumerGroup, locks)
    const sinceMs = this.#now()
    return mqSet.filter((queue) => {
      const key = keyOf(queue)
      const lock = locks.get(key)
      if (lock !== undefined && lock.clientId !== clientId && sinceMs - lock.sinceMs <= LOCK_MS) return false
      locks.set(key, { clientId, sinceMs })
      return true
    })
  }

  unlock({ consumerGroup, clientId, mqSet }: QueueLockRequest): void {
    const locks = this.#groups.get(consumerGroup)
    for (const queue of mqSet) if (locks?.get(keyOf(queue))?.clientId === clientId) locks.delete(keyOf(queue))
    if (locks?.size === 0) this.#groups.delete(consumerGroup)
  }

  /** Forgets what is long expired: groups come and go. */
  clean(): void {
    const oldest = this.#now() - LOCK_MS
    for (const [group, locks] of this.#groups) {
      for (const [key, { sinceMs }] of locks) if (sinceMs < oldest) locks.delete(key)
      if (locks.size === 0) this.#groups.delete(group)
    }
  }
}

function keyOf({ topic, brokerName, queueId }: MessageQueue): string {
  return `${topic}@${brokerName}@${queueId}`
}

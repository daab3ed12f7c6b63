/** The 64 bits by which a queue unit is filtered: the tag's hash, or the delivery time of a delayed message. */
import { delayLevel } from './delay-level.js'
import { javaHash } from './java-string.js'

/** Where delayed messages wait; each level has a queue. */
export const SCHEDULE_TOPIC = 'SCHEDULE_TOPIC_XXXX'

export interface TaggedRecord {
  readonly topic: string
  readonly tags?: string | undefined
  /** Property `DELAY`. */
  readonly delay?: string | undefined
  readonly storeTimestamp: number
}

/** Hash of the whole tag string, 32 bits; 0 without one. */
export function tagHash(tags: string | undefined): number {
  return tags === undefined ? 0 : javaHash(tags)
}

/** The tag code that a record's unit holds. `delayLevelsMs` as from parseDelayLevels. */
export function tagCode({ topic, tags, delay, storeTimestamp }: TaggedRecord, delayLevelsMs: readonly number[]): bigint {
  const level = topic === SCHEDULE_TOPIC ? delayLevel(delay, delayLevelsMs.length) : 0
  return BigInt(level > 0 ? storeTimestamp + delayLevelsMs[level - 1]! : tagHash(tags))
}

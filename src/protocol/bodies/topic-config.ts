/** A topic as a broker has it. */
import type { FastjsonValue } from '../fastjson.js'
import { numberOf, objectOf, textOf } from './values.js'

/** A topic that others may be made like. */
export const PERM_INHERIT = 1
export const PERM_READ = 4
export const PERM_WRITE = 2

/** Bits of topicSysFlag. */
export const UNIT = 1
export const UNIT_SUB = 2

export interface TopicConfig {
  readonly topicName: string
  readonly readQueueNums: number
  readonly writeQueueNums: number
  /** PERM_READ | PERM_WRITE. */
  readonly perm: number
  readonly topicFilterType: 'SINGLE_TAG' | 'MULTI_TAG'
  readonly topicSysFlag: number
  readonly order: boolean
}

const DEFAULT_QUEUES = 16

export function topicConfigOf(value: FastjsonValue): TopicConfig {
  const given = objectOf(value)
  return {
    topicName: textOf(given.topicName),
    readQueueNums: numberOf(given.readQueueNums, DEFAULT_QUEUES),
    writeQueueNums: numberOf(given.writeQueueNums, DEFAULT_QUEUES),
    perm: numberOf(given.perm, PERM_READ | PERM_WRITE),
    topicFilterType: given.topicFilterType === 'MULTI_TAG' ? 'MULTI_TAG' : 'SINGLE_TAG',
    topicSysFlag: numberOf(given.topicSysFlag, 0),
    order: given.order === true,
  }
}

/** As remarks have it: `RW-`. */
export function permText(perm: number): string {
  return `${perm & PERM_READ ? 'R' : '-'}${perm & PERM_WRITE ? 'W' : '-'}${perm & PERM_INHERIT ? 'X' : '-'}`
}

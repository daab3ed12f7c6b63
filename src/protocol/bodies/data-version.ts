/** Which state of a table somebody has: equal where both are. */
import type { FastjsonValue } from '../fastjson.js'
import { objectOf } from './values.js'

export interface DataVersion {
  readonly counter: number
  readonly timestamp: number
}

export const NO_VERSION: DataVersion = { counter: 0, timestamp: 0 }

export function sameVersion(a: DataVersion | undefined, b: DataVersion): boolean {
  return a !== undefined && a.counter === b.counter && a.timestamp === b.timestamp
}

export function dataVersionOf(value: FastjsonValue): DataVersion {
  const { counter = 0, timestamp = 0 } = objectOf(value)
  return { counter: Number(counter), timestamp: Number(timestamp) }
}

/** Compares long lists with one assertion: t.same(firstDifference(found, expected), undefined). */
import { isDeepStrictEqual } from 'node:util'

export interface Difference<T> {
  readonly index: number
  readonly found: T | undefined
  readonly expected: T | undefined
}

/** The first place where two lists differ, lengths included; undefined when they are equal. */
export function firstDifference<T>(found: readonly T[], expected: readonly T[]): Difference<T> | undefined {
  const length = Math.max(found.length, expected.length)
  for (let index = 0; index < length; index++)
    if (!isDeepStrictEqual(found[index], expected[index])) return { index, found: found[index], expected: expected[index] }
  return undefined
}

/** The order in which a Java HashMap gives its keys: what Java wrote from one can be written again to the byte. */
import { javaHash } from '#src/format/java-string.js'

const FIRST_CAPACITY = 16
const LOAD = 0.75

/** Keys in the order in which they were put. `capacity` is the table's first one, a power of two. */
export function hashMapOrder(keys: readonly string[], capacity = FIRST_CAPACITY): string[] {
  let size = capacity
  while (keys.length > size * LOAD) size *= 2
  const bucket = (key: string) => {
    const hash = javaHash(key)
    return (hash ^ (hash >>> 16)) & (size - 1)
  }
  // Within a bucket they stay in the order of their coming, and a table that grows keeps it.
  return keys
    .map((key) => [bucket(key), key] as const)
    .sort(([a], [b]) => a - b)
    .map(([, key]) => key)
}

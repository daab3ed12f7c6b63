/** A store that can't be opened without a word about it. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { newDirectory, numbered, openAt } from '../store/stores.js'

/** A store whose first record, which was on disk, has another body. */
export async function corruptStore(t: Test): Promise<string> {
  const directory = newDirectory(t)
  const store = await openAt(t, directory)
  await store.appendBatch(numbered(20))
  await store.close()
  const segment = join(directory, 'commitlog', '0'.repeat(20))
  const bytes = readFileSync(segment)
  bytes[88] = (bytes[88] as number) ^ 1
  writeFileSync(segment, bytes)
  return directory
}

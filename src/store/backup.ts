/** Copies of a running store: where they may lie, and what came of one. */
import { resolve } from 'node:path'
import type { NativeStore } from '../native/binding.js'
import { binding } from '../native/binding.js'
import { invalid } from './part.js'
import type { BackupResult } from './types.js'

/** @internal The whole path. Throws INVALID_ARGUMENT for what is none, or lies in the store, or around it. */
export function backupTarget(directory: string, store: string): string {
  if (typeof directory !== 'string' || directory === '') throw invalid('directory', directory, 'a path')
  const target = resolve(directory)
  if (`${target}/`.startsWith(`${store}/`) || `${store}/`.startsWith(`${target}/`))
    throw invalid('directory', directory, `a directory outside ${store}`)
  return target
}

/** @internal */
export async function backUp(store: NativeStore, target: string): Promise<BackupResult> {
  const [from, to, copiedBytes] = await binding.backup(store, target)
  return { from, to, copiedBytes }
}

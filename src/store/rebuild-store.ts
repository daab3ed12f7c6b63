/** All queues and the index of a store made again from its log, the old ones kept beside it. The order of it stands in native/core/store_rebuild.cc. */
import { stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { storeError } from '../errors.js'
import { binding } from '../native/binding.js'
import { MessageStore } from './message-store.js'
import type { FaultOptions } from './options.js'
import { checkOptions } from './options.js'
import { checkObject, invalid } from './part.js'
import type { StoreSettings } from './settings.js'
import type { RecoveryReport } from './types.js'

export interface RebuildOptions {
  /**
   * A directory that does not exist yet, outside the store and on its file system: the old `consumequeue/` and `index/` are moved there. Default
   * `DIRECTORY.rebuild-20261129T080000Z`, with the time in UTC.
   */
  keep?: string
  /** As `MessageStore.open` takes them: file sizes are found, but multi-dispatch and delay levels are known to the broker's file alone. */
  settings?: Partial<StoreSettings>
  /** Bytes read of bytes to read. */
  onProgress?: (done: number, total: number) => void
}

export interface RebuildResult {
  directory: string
  /** Where the old queues and the old index are. */
  keptIn: string
  queues: number
  /** Queue units, and index entries, that were made. */
  units: number
  indexEntries: number
  /** Of the log, all of it. */
  logBytes: number
  milliseconds: number
  /** A torn tail, which a crash leaves and any opening cuts off. */
  torn?: RecoveryReport['torn']
}

/**
 * Rejects with NO_STORE where no log is, with STORE_LOCKED where the store is open, with CORRUPT_LOG where any record of the log is damaged, and with
 * INVALID_ARGUMENT where `keep` is there already; nothing was moved then. A crash at any moment leaves a store that opens, and makes what it lacks.
 */
export async function rebuildStore(directory: string, options: RebuildOptions = {}): Promise<RebuildResult> {
  checkObject('options', options)
  const { settings = {}, onProgress, faults } = options as RebuildOptions & FaultOptions
  const { native } = checkOptions(directory, { settings, ...(onProgress && { onProgress }), ...(faults && { faults }) } as FaultOptions)
  const { root, logDirectories = [], readOnlyLogDirectories = [] } = native
  const logs = logDirectories.length > 0 ? [...logDirectories, ...readOnlyLogDirectories] : [join(root, 'commitlog')]
  if (options.keep !== undefined && (typeof options.keep !== 'string' || options.keep === '')) throw invalid('keep', options.keep, 'a path')
  const keptIn = resolve(options.keep ?? `${root}.rebuild-${timeInName(new Date())}`)
  if (`${keptIn}/`.startsWith(`${root}/`)) throw invalid('keep', options.keep, `a directory outside ${root}`)
  // Opened to write, an empty place becomes a store.
  const there = await Promise.all(logs.map((path) => stat(path).catch(() => undefined)))
  if (there.every((folder) => folder === undefined)) throw storeError('NO_STORE', { reason: 'holds no commit log', path: root })

  const started = performance.now()
  const store = MessageStore.attach({ millraceStore: await binding.open({ ...native, aside: keptIn }, onProgress), hostHex: '' })
  try {
    const queues = store.queues()
    const { rebuiltIndexEntries, torn } = store.recovery
    const result: RebuildResult = {
      directory: root,
      keptIn,
      queues: queues.length,
      units: queues.reduce((sum, { minOffset, maxOffset }) => sum + maxOffset - minOffset, 0),
      indexEntries: rebuiltIndexEntries,
      logBytes: store.commitLog.writtenOffset - store.minLogOffset,
      milliseconds: 0,
      ...(torn && { torn }),
    }
    await store.close()
    return { ...result, milliseconds: Math.round(performance.now() - started) }
  } finally {
    await store.close().catch(() => {})
  }
}

function timeInName(time: Date): string {
  return time.toISOString().replace(/[-:]|\.\d+/g, '')
}

/** What `open` may be told, and how it reaches the core. */
import { join, resolve } from 'node:path'
import { storeError } from '../errors.js'
import { parseDelayLevels } from '../format/delay-level.js'
import { parseHost } from '../format/host.js'
import type { NativeOpenOptions } from '../native/binding.js'
import type { FlushPolicy } from './flush-policy.js'
import { AsyncFlush, flushPolicy, SyncFlush } from './flush-policy.js'
import type { Replication } from './replication.js'
import type { StoreSettings } from './settings.js'
import { checkSettings, defaultSettings, logPaths } from './settings.js'
import type { UnitDamage } from './types.js'

export interface StoreOptions {
  /** Default 'async', as RocketMQ's: an append survives the death of the process, a power cut may take the last half second
   * (the last ten where less than 16 KiB was written). */
  flush?: 'async' | 'sync' | FlushPolicy
  /** 'durable' hides records until they are on disk; only the process that writes knows that. Default 'now', as RocketMQ's. */
  visible?: 'now' | 'durable'
  /** Takes no lock and writes nothing; works while another process writes. */
  readOnly?: boolean
  /** What to do about damage that is no torn tail. Default 'refuse'. */
  onCorruption?: 'refuse' | 'readOnly' | 'cut'
  /** Makes the index anew from the log. */
  rebuildIndex?: boolean
  /** RocketMQ's MessageStoreConfig, by its own names. File sizes are found from the files where they are not given. */
  settings?: Partial<StoreSettings>
  /** Stands in records and message ids. Default '127.0.0.1:10911'. */
  storeHost?: string
  /** Appends that may wait for the disk or the log. Default 100,000. */
  maxWaitingAppends?: number
  /** Their bytes. Default 256 MiB. */
  maxWaitingBytes?: number
  /** What an append beyond these limits does. Default 'wait'. */
  whenFull?: 'wait' | 'reject'
  /** Waited for after the flush. */
  replication?: Replication
  /**
   * Bytes read of bytes to read, while a long recovery runs: the log is scanned, then queues and index get what they lack of it. Until its end is found the
   * whole is a guess.
   */
  onProgress?: (done: number, total: number) => void
  /** A queue unit that does not point to a message of its queue; the message is not delivered. Default: a process warning. */
  onDamage?: (damage: UnitDamage) => void
  /** How often queues, index and checkpoint are made durable while messages come in. Default 60,000 (flushConsumeQueueThoroughInterval). */
  checkpointIntervalMs?: number
  /** When old messages go. Default: never, by itself. */
  retention?: RetentionOptions
}

/**
 * The log's oldest segments go, whole, and with them what queues and index have of them; never the last one. Looked at every ten seconds
 * (cleanResourceInterval).
 */
export interface RetentionOptions {
  /** RocketMQ's rule: what was last written `fileReservedTime` hours ago (72) goes in the hours `deleteWhen` (4 o'clock, local). Default false. */
  byAge?: boolean
  /**
   * RocketMQ's rule: above `diskMaxUsedSpaceRatio` (75 %) what is old enough goes at any hour, above `diskSpaceCleanForciblyRatio` (85 %) whatever its age,
   * and above `diskSpaceWarningLevelRatio` (90 %) appends are refused with DISK_FULL until there is room again. Default false.
   */
  byDiskUse?: boolean
  /** The log takes no more than so many bytes, and one segment beyond. Default: any number. */
  maxBytes?: number
}

/** What each thread decides for itself. */
export type AttachOptions = Pick<StoreOptions, 'maxWaitingAppends' | 'maxWaitingBytes' | 'whenFull' | 'replication' | 'onDamage'>

/** For tests of the store itself: failures on purpose. */
export interface FaultOptions {
  faults?: string
}

const DEFAULT_HOST = '127.0.0.1:10911'
const ON_CORRUPTION = ['refuse', 'readOnly', 'cut'] as const

export interface CheckedOptions {
  native: NativeOpenOptions
  maxWaitingAppends: number
  maxWaitingBytes: number
  whenFull: 'wait' | 'reject'
  replication: Replication | undefined
  onProgress: ((done: number, total: number) => void) | undefined
  onDamage: ((damage: UnitDamage) => void) | undefined
}

/** Throws INVALID_ARGUMENT for what can't be meant. */
export function checkOptions(directory: string, options: StoreOptions & FaultOptions = {}): CheckedOptions {
  if (typeof directory !== 'string' || directory === '') throw invalid('directory', directory, 'a path')
  if (options === null || typeof options !== 'object') throw invalid('options', options, 'an object')
  const settings = checkSettings(options.settings ?? {})
  const all: StoreSettings = { ...defaultSettings(), ...settings }
  const fromSettings = settings.flushDiskType === 'SYNC_FLUSH' ? new SyncFlush() : new AsyncFlush()
  const policy = options.flush === undefined ? fromSettings : flushPolicy(options.flush)
  if (policy === undefined) throw invalid('flush', options.flush, "'async', 'sync', a SyncFlush or an AsyncFlush")
  oneOf('visible', options.visible, ['now', 'durable'])
  oneOf('onCorruption', options.onCorruption, ON_CORRUPTION)
  oneOf('whenFull', options.whenFull, ['wait', 'reject'])
  for (const name of ['readOnly', 'rebuildIndex'] as const)
    if (options[name] !== undefined && typeof options[name] !== 'boolean') throw invalid(name, options[name], 'a boolean')
  for (const name of ['onProgress', 'onDamage'] as const)
    if (options[name] !== undefined && typeof options[name] !== 'function') throw invalid(name, options[name], 'a function')
  if (options.retention !== undefined && (options.retention === null || typeof options.retention !== 'object'))
    throw invalid('retention', options.retention, 'an object')
  if (options.replication !== undefined && typeof options.replication?.waitFor !== 'function')
    throw invalid('replication', options.replication, 'an object with waitFor()')
  if (options.readOnly === true && options.visible === 'durable')
    throw invalid('visible', options.visible, "'now' with readOnly: what is on disk only the process knows that writes")
  if (all.enableDLegerCommitLog) throw storeError('DLEDGER_STORE', { reason: 'the setting enableDLegerCommitLog is true' })
  const onCorruption = options.onCorruption ?? 'refuse'
  // One of the two makes the other RocketMQ's default, as a broker has it.
  const indexSizes = settings.maxHashSlotNum === undefined && settings.maxIndexNum === undefined ? undefined : all
  const synchronous = policy.kind === 'sync'
  const asynchronous = policy.kind === 'async' ? policy : undefined
  return {
    native: {
      root: resolve(directory),
      ...logDirectories(resolve(directory), settings, options.readOnly === true),
      segmentBytes: settings.mappedFileSizeCommitLog,
      queueFileBytes: settings.mappedFileSizeConsumeQueue,
      indexSlots: indexSizes?.maxHashSlotNum,
      indexEntries: indexSizes?.maxIndexNum,
      indexEnabled: all.messageIndexEnable,
      rebuildIndex: options.rebuildIndex,
      readOnly: options.readOnly,
      onCorruption: ON_CORRUPTION.indexOf(onCorruption),
      synchronousFlush: synchronous,
      visibleWhenDurable: options.visible === 'durable',
      multiDispatch: all.enableMultiDispatch,
      lmq: all.enableLmq,
      queueExtension: all.enableConsumeQueueExt,
      extensionFileBytes: settings.mappedFileSizeConsumeQueueExt,
      checkCrc: all.checkCRCOnRecover,
      storeHost: nativeHost(options.storeHost ?? DEFAULT_HOST),
      delayLevelsMs: parseDelayLevels(all.messageDelayLevel),
      flushIntervalMs: asynchronous?.intervalMs ?? all.flushIntervalCommitLog,
      flushLeastPages: asynchronous?.leastPages ?? all.flushCommitLogLeastPages,
      flushThoroughIntervalMs: asynchronous?.thoroughIntervalMs ?? all.flushCommitLogThoroughInterval,
      flushTimeoutMs: (policy.kind === 'sync' ? policy.timeoutMs : undefined) ?? all.syncFlushTimeout,
      checkpointIntervalMs: positive('checkpointIntervalMs', options.checkpointIntervalMs, all.flushConsumeQueueThoroughInterval),
      pagecacheBusyMs: all.osPageCacheBusyTimeOutMills,
      maxMessageBytes: all.maxMessageSize,
      maxMemoryBytes: all.maxTransferBytesOnMessageInMemory,
      maxMemoryCount: all.maxTransferCountOnMessageInMemory,
      maxDiskBytes: all.maxTransferBytesOnMessageInDisk,
      maxDiskCount: all.maxTransferCountOnMessageInDisk,
      memoryRatio: all.accessMessageInMemoryMaxRatio,
      ...retention(options.retention ?? {}, all),
      faults: options.faults,
    },
    maxWaitingAppends: positive('maxWaitingAppends', options.maxWaitingAppends, 100_000),
    maxWaitingBytes: positive('maxWaitingBytes', options.maxWaitingBytes, 256 << 20),
    whenFull: options.whenFull ?? 'wait',
    replication: options.replication,
    onProgress: options.onProgress,
    onDamage: options.onDamage,
  }
}

function retention({ byAge = false, byDiskUse = false, maxBytes }: RetentionOptions, all: StoreSettings): Partial<NativeOpenOptions> {
  for (const [name, value] of Object.entries({ byAge, byDiskUse }))
    if (typeof value !== 'boolean') throw invalid(`retention.${name}`, value, 'a boolean')
  return {
    deleteByAge: byAge,
    deleteByDiskUse: byDiskUse,
    maxLogBytes: positive('retention.maxBytes', maxBytes, 0),
    reservedMs: all.fileReservedTime * 3_600_000,
    deleteHours: all.deleteWhen.split(';').map(Number),
    maxUsedPercent: all.diskMaxUsedSpaceRatio,
    cleanForciblyPercent: all.diskSpaceCleanForciblyRatio,
    refusePercent: all.diskSpaceWarningLevelRatio,
    mayCleanForcibly: all.cleanFileForciblyEnable,
    cleanIntervalMs: all.cleanResourceInterval,
    holdMs: all.destroyMapedFileIntervalForcibly,
  }
}

function invalid(what: string, value: unknown, allowed: string): Error {
  return storeError('INVALID_ARGUMENT', { what, value, allowed })
}

function oneOf(what: string, value: unknown, allowed: readonly string[]): void {
  if (value !== undefined && !allowed.includes(value as string)) throw invalid(what, value, allowed.map((word) => `'${word}'`).join(' or '))
}

function positive(what: string, value: number | undefined, otherwise: number): number {
  if (value === undefined) return otherwise
  if (!Number.isSafeInteger(value) || value < 1) throw invalid(what, value, 'a whole number above 0')
  return value
}

/** One must be left where segments may be made. */
function logDirectories(root: string, settings: Partial<StoreSettings>, readOnly: boolean): Partial<NativeOpenOptions> {
  const all = logPaths(settings)
  const logs = all.paths.map((path) => resolve(path))
  const readOnlyLogs = all.readOnly.map((path) => resolve(path))
  if (!readOnly && (logs.length === 0 ? [join(root, 'commitlog')] : logs).every((path) => readOnlyLogs.includes(path)))
    throw storeError('INVALID_SETTING', {
      setting: 'readOnlyCommitLogStorePaths',
      value: settings.readOnlyCommitLogStorePaths,
      allowed: 'not all paths of storePathCommitLog: new segments need one',
    })
  return { logDirectories: logs, readOnlyLogDirectories: readOnlyLogs }
}

function nativeHost(text: string): string {
  const host = parseHost(text)
  if (host === undefined) throw invalid('storeHost', text, "'ip:port' or '[ip6]:port'")
  return `${Buffer.from(host.address).toString('hex')}:${host.port}`
}

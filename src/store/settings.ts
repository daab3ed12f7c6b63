/**
 * RocketMQ's MessageStoreConfig, by its own names: one table with a default and a validator for each. Sizes are bytes and times milliseconds unless
 * a comment says otherwise. A settings file may be a whole broker.conf: names that belong to other parts of a broker are passed over, but one that
 * is nearly a setting's name is refused as a slip.
 */
import { storeError } from '../errors.js'
import { DEFAULT_DELAY_LEVELS, parseDelayLevels } from '../format/delay-level.js'
import { UNIT_BYTES } from '../format/queue-unit.js'
import {
  choice,
  defaultsOf,
  flag,
  MAX_INT32,
  milliseconds,
  nearestName,
  optional,
  percent,
  port,
  readSetting,
  type SettingsOf,
  size,
  text,
  whole,
} from '../setting.js'

export { parseProperties } from '../setting.js'

const table = {
  // Where the files lie
  /** MessageStore.open names the root itself. */
  storePathRootDir: optional('a path'),
  /** Default `commitlog` in the root. Several paths take turns. */
  storePathCommitLog: text<string | undefined>(undefined, "a path, or several with ',' between them", (text) => pathsIn(text).length > 0),
  storePathDLedgerCommitLog: optional('a path'),
  /** Further directories of the log, or some of those: they get no further segments. */
  readOnlyCommitLogStorePaths: text<string | undefined>(
    undefined,
    "a path, or several with ',' between them",
    (text) => pathsIn(text).length > 0,
  ),

  // What shapes the files: must be that of the store
  mappedFileSizeCommitLog: size(1 << 30, { min: 1024 }),
  /** Rounded up to whole units of 20 bytes. */
  mappedFileSizeConsumeQueue: size(6_000_000, {
    max: MAX_INT32 - UNIT_BYTES,
    becomes: (bytes) => Math.ceil(bytes / UNIT_BYTES) * UNIT_BYTES,
  }),
  enableConsumeQueueExt: flag(false),
  mappedFileSizeConsumeQueueExt: size(48 << 20),
  bitMapLengthConsumeQueueExt: whole(64),
  messageIndexEnable: flag(true),
  maxHashSlotNum: size(5_000_000),
  /** Entries of an index file, the unused first one included. */
  maxIndexNum: size(20_000_000, { min: 2 }),
  messageDelayLevel: text<string>(DEFAULT_DELAY_LEVELS, "times such as '5s', '10m', '2h' or '1d', one space between them", areDelayLevels),

  // Appending
  /** Largest body. */
  maxMessageSize: size(4 << 20),
  brokerRole: choice('ASYNC_MASTER', 'SYNC_MASTER', 'SLAVE'),
  useReentrantLockWhenPutMessage: flag(true),
  osPageCacheBusyTimeOutMills: milliseconds(1000),
  debugLockEnable: flag(false),
  enableMultiDispatch: flag(false),
  enableLmq: flag(false),
  maxLmqConsumeQueueNum: whole(20_000),
  putMsgIndexHightWater: whole(600_000),
  warmMapedFileEnable: flag(false),
  /** Pages of 4,096 bytes. */
  flushLeastPagesWhenWarmMapedFile: whole(4096),
  transientStorePoolEnable: flag(false),
  /** Segments. */
  transientStorePoolSize: size(5),
  fastFailIfNoBufferInStorePool: flag(false),

  // Flushing
  flushDiskType: choice('ASYNC_FLUSH', 'SYNC_FLUSH'),
  syncFlushTimeout: milliseconds(5000),
  flushCommitLogTimed: flag(true),
  flushIntervalCommitLog: milliseconds(500),
  /** Pages of 4,096 bytes. */
  flushCommitLogLeastPages: whole(4),
  flushCommitLogThoroughInterval: milliseconds(10_000),
  commitIntervalCommitLog: milliseconds(200),
  commitCommitLogLeastPages: whole(4),
  commitCommitLogThoroughInterval: milliseconds(200),
  flushIntervalConsumeQueue: milliseconds(1000),
  flushConsumeQueueLeastPages: whole(2),
  /** Also the checkpoint's period. */
  flushConsumeQueueThoroughInterval: milliseconds(60_000),
  flushDelayOffsetInterval: milliseconds(10_000),

  // Reading
  maxTransferBytesOnMessageInMemory: size(262_144),
  maxTransferCountOnMessageInMemory: size(32),
  maxTransferBytesOnMessageInDisk: size(65_536),
  maxTransferCountOnMessageInDisk: size(8),
  /** Percent of the machine's memory that counts as hot. */
  accessMessageInMemoryMaxRatio: percent(40),
  maxMsgsNumBatch: size(64),
  defaultQueryMaxNum: size(32),
  diskFallRecorded: flag(true),
  offsetCheckInSlave: flag(false),

  // Recovering
  checkCRCOnRecover: flag(true),
  messageIndexSafe: flag(false),
  duplicationEnable: flag(false),

  // Retention
  /** Hours. */
  fileReservedTime: whole(72),
  /** Local hours of the day. */
  deleteWhen: text<string>('04', "hours from 0 to 23, ';' between them", areHours),
  /** Percent; RocketMQ takes 10 for less and 95 for more. */
  diskMaxUsedSpaceRatio: whole(75, { becomes: (ratio) => Math.min(95, Math.max(10, ratio)) }),
  /** Percent, as RocketMQ 5 has it: above, segments go whatever their age. 30 is taken for less, 85 for more. */
  diskSpaceCleanForciblyRatio: percent(85, { becomes: (ratio) => Math.min(85, Math.max(30, ratio)) }),
  /** Percent, as RocketMQ 5 has it: above, appends are refused. 35 is taken for less, 90 for more. */
  diskSpaceWarningLevelRatio: percent(90, { becomes: (ratio) => Math.min(90, Math.max(35, ratio)) }),
  cleanFileForciblyEnable: flag(true),
  cleanResourceInterval: milliseconds(10_000),
  deleteCommitLogFilesInterval: whole(100),
  deleteConsumeQueueFilesInterval: whole(100),
  destroyMapedFileIntervalForcibly: whole(120_000),
  redeleteHangedFileInterval: whole(120_000),

  // Replication
  haListenPort: port(10912),
  haSendHeartbeatInterval: milliseconds(5000),
  haHousekeepingInterval: milliseconds(20_000),
  haTransferBatchSize: size(32_768),
  haMasterAddress: optional('host:port'),
  haSlaveFallbehindMax: whole(256 << 20),
  slaveTimeout: milliseconds(3000),

  // Delayed messages
  enableScheduleMessageStats: flag(true),
  enableScheduleAsyncDeliver: flag(false),
  scheduleAsyncDeliverMaxPendingLimit: size(2000),
  scheduleAsyncDeliverMaxResendNum2Blocked: whole(3),

  // DLedger, which is recognised and refused
  enableDLegerCommitLog: flag(false),
  dLegerGroup: optional('a name'),
  dLegerPeers: optional('peers'),
  dLegerSelfId: optional('a name'),
  preferredLeaderId: optional('a name'),
  enableBatchPush: flag(false),
  isEnableBatchPush: flag(false),
}

type Table = typeof table

export type SettingName = keyof Table

/** Values by RocketMQ's names. */
export type StoreSettings = SettingsOf<Table>

export const settingNames: readonly SettingName[] = Object.keys(table) as SettingName[]

export function defaultSettings(): StoreSettings {
  return defaultsOf(table)
}

/**
 * Settings as a program gives them, checked and as the store uses them (sizes rounded, ratios clamped); undefined ones are left out.
 * Throws INVALID_SETTING for a value that is not allowed, and for a name that is no setting.
 */
export function checkSettings(settings: Readonly<Partial<StoreSettings>>): Partial<StoreSettings> {
  const checked: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(settings)) {
    if (value === undefined) continue
    if (!isSetting(name)) throw unknown(name, value)
    checked[name] = readSetting(table, name, value)
  }
  return checked as Partial<StoreSettings>
}

/**
 * Settings from text, as parseProperties gives them. Names of other parts of a broker are passed over.
 * Throws INVALID_SETTING for a value that is not allowed, and for a name that differs from a setting's in a letter or two.
 */
export function settingsFrom(properties: Readonly<Record<string, string>>): Partial<StoreSettings> {
  const settings: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(properties)) {
    if (isSetting(name)) settings[name] = readSetting(table, name, value)
    else if (nearestName(name, settingNames) !== undefined) throw unknown(name, value)
  }
  return settings as Partial<StoreSettings>
}

/** The directories of the log that the settings name, in the order in which they take turns; none is `commitlog` in the root. */
export function logPaths(settings: Readonly<Partial<StoreSettings>>): { paths: string[]; readOnly: string[] } {
  const of = (text: string | undefined): string[] => (text === undefined ? [] : [...new Set(pathsIn(text))].sort())
  return { paths: of(settings.storePathCommitLog), readOnly: of(settings.readOnlyCommitLogStorePaths) }
}

function isSetting(name: string): name is SettingName {
  return Object.hasOwn(table, name)
}

function unknown(name: string, value: unknown): Error {
  const other = nearestName(name, settingNames)
  const allowed = other === undefined ? 'a setting of MessageStoreConfig' : `${other}, if that is meant`
  return storeError('INVALID_SETTING', { setting: name, value, allowed })
}

function pathsIn(text: string): string[] {
  return text
    .split(',')
    .map((path) => path.trim())
    .filter((path) => path !== '')
}

function areDelayLevels(value: string): boolean {
  try {
    return parseDelayLevels(value).length > 0
  } catch {
    return false
  }
}

function areHours(value: string): boolean {
  return value.split(';').every((hour) => /^\d{1,2}$/.test(hour.trim()) && Number(hour) < 24)
}

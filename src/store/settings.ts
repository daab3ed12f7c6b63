/**
 * RocketMQ's MessageStoreConfig, by its own names: one table with a default and a validator for each. Sizes are bytes and times milliseconds unless
 * a comment says otherwise. A settings file may be a whole broker.conf: names that belong to other parts of a broker are passed over, but one that
 * is nearly a setting's name is refused as a slip.
 */
import { DEFAULT_DELAY_LEVELS, parseDelayLevels } from '../format/delay-level.js'
import { UNIT_BYTES } from '../format/queue-unit.js'
import {
  choice,
  flag,
  KnownSettings,
  MAX_INT32,
  milliseconds,
  optional,
  percent,
  port,
  type SettingsOf,
  size,
  text,
  unused,
  whole,
} from '../setting.js'

export { parseProperties } from '../setting.js'

const DIRECT_MEMORY = 'records are gathered and written without a pool of direct memory'
const WARM = 'pages of new segments are made ahead of a fast writer in any case'
const DELETION = 'deleting holds no lock that an append or a pull needs, so there are no pauses'
const QUEUES =
  'queues are synced with the checkpoint, every flushConsumeQueueThoroughInterval; what a crash takes of them is made again from the log'
const NO_SLAVES = 'nothing is replicated to other brokers yet'
const DELIVERY = 'delayed messages that are due are delivered many at once in any case'
const NO_DLEDGER = 'DLedger is not supported'

/** Which settings the store itself leaves without effect, and why, stands with each. */
export const storeTable = {
  // Where the files lie
  /** MessageStore.open names the root itself. */
  storePathRootDir: optional('a path'),
  /** Default `commitlog` in the root. Several paths take turns. */
  storePathCommitLog: text<string | undefined>(undefined, "a path, or several with ',' between them", (text) => pathsIn(text).length > 0),
  storePathDLedgerCommitLog: unused(optional('a path'), NO_DLEDGER),
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
  bitMapLengthConsumeQueueExt: unused(whole(64), 'filter bits stay empty'),
  messageIndexEnable: flag(true),
  maxHashSlotNum: size(5_000_000),
  /** Entries of an index file, the unused first one included. */
  maxIndexNum: size(20_000_000, { min: 2 }),
  messageDelayLevel: text<string>(DEFAULT_DELAY_LEVELS, "times such as '5s', '10m', '2h' or '1d', one space between them", areDelayLevels),

  // Appending
  /** Largest body. */
  maxMessageSize: size(4 << 20),
  brokerRole: choice('ASYNC_MASTER', 'SYNC_MASTER', 'SLAVE'),
  useReentrantLockWhenPutMessage: unused(flag(true), 'there is one lock, which yields before it sleeps'),
  osPageCacheBusyTimeOutMills: milliseconds(1000),
  debugLockEnable: unused(flag(false), 'there are no stacks of Java threads to be written'),
  enableMultiDispatch: flag(false),
  enableLmq: flag(false),
  maxLmqConsumeQueueNum: unused(whole(20_000), 'their number is not limited'),
  putMsgIndexHightWater: unused(whole(600_000), 'RocketMQ 4.9 does not use it either'),
  warmMapedFileEnable: unused(flag(false), WARM),
  /** Pages of 4,096 bytes. */
  flushLeastPagesWhenWarmMapedFile: unused(whole(4096), WARM),
  transientStorePoolEnable: unused(flag(false), DIRECT_MEMORY),
  /** Segments. */
  transientStorePoolSize: unused(size(5), DIRECT_MEMORY),
  fastFailIfNoBufferInStorePool: unused(flag(false), DIRECT_MEMORY),

  // Flushing
  flushDiskType: choice('ASYNC_FLUSH', 'SYNC_FLUSH'),
  syncFlushTimeout: milliseconds(5000),
  flushCommitLogTimed: unused(flag(true), 'the log is flushed every flushIntervalCommitLog, as with true'),
  flushIntervalCommitLog: milliseconds(500),
  /** Pages of 4,096 bytes. */
  flushCommitLogLeastPages: whole(4),
  flushCommitLogThoroughInterval: milliseconds(10_000),
  commitIntervalCommitLog: unused(milliseconds(200), DIRECT_MEMORY),
  commitCommitLogLeastPages: unused(whole(4), DIRECT_MEMORY),
  commitCommitLogThoroughInterval: unused(milliseconds(200), DIRECT_MEMORY),
  flushIntervalConsumeQueue: unused(milliseconds(1000), QUEUES),
  flushConsumeQueueLeastPages: unused(whole(2), QUEUES),
  /** Also the checkpoint's period. */
  flushConsumeQueueThoroughInterval: milliseconds(60_000),
  /** How often a broker keeps how far it has delivered delayed messages. */
  flushDelayOffsetInterval: milliseconds(10_000),

  // Reading
  maxTransferBytesOnMessageInMemory: size(262_144),
  maxTransferCountOnMessageInMemory: size(32),
  maxTransferBytesOnMessageInDisk: size(65_536),
  maxTransferCountOnMessageInDisk: size(8),
  /** Percent of the machine's memory that counts as hot. */
  accessMessageInMemoryMaxRatio: percent(40),
  /** The next two are for a broker's queries; the store takes a limit with each. */
  maxMsgsNumBatch: size(64),
  defaultQueryMaxNum: size(32),
  diskFallRecorded: unused(flag(true), 'how far readers are behind the log is not recorded'),
  offsetCheckInSlave: unused(flag(false), NO_SLAVES),

  // Recovering
  checkCRCOnRecover: flag(true),
  messageIndexSafe: unused(flag(false), 'the index is made to agree with the log whenever the store opens'),
  duplicationEnable: unused(flag(false), 'the option `visible` decides what readers see of a log that is not yet on disk'),

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
  deleteCommitLogFilesInterval: unused(whole(100), DELETION),
  deleteConsumeQueueFilesInterval: unused(whole(100), DELETION),
  destroyMapedFileIntervalForcibly: whole(120_000),
  redeleteHangedFileInterval: unused(whole(120_000), DELETION),

  // Replication
  haListenPort: unused(port(10912), NO_SLAVES),
  haSendHeartbeatInterval: unused(milliseconds(5000), NO_SLAVES),
  haHousekeepingInterval: unused(milliseconds(20_000), NO_SLAVES),
  haTransferBatchSize: unused(size(32_768), NO_SLAVES),
  haMasterAddress: unused(optional('host:port'), NO_SLAVES),
  haSlaveFallbehindMax: unused(whole(256 << 20), NO_SLAVES),
  slaveTimeout: unused(milliseconds(3000), NO_SLAVES),

  // Delayed messages
  enableScheduleMessageStats: unused(flag(true), 'the delivery of delayed messages is not counted by itself'),
  enableScheduleAsyncDeliver: unused(flag(false), DELIVERY),
  scheduleAsyncDeliverMaxPendingLimit: unused(size(2000), DELIVERY),
  scheduleAsyncDeliverMaxResendNum2Blocked: unused(whole(3), DELIVERY),

  // DLedger, which is recognised and refused
  enableDLegerCommitLog: flag(false),
  dLegerGroup: unused(optional('a name'), NO_DLEDGER),
  dLegerPeers: unused(optional('peers'), NO_DLEDGER),
  dLegerSelfId: unused(optional('a name'), NO_DLEDGER),
  preferredLeaderId: unused(optional('a name'), NO_DLEDGER),
  enableBatchPush: unused(flag(false), NO_DLEDGER),
  isEnableBatchPush: unused(flag(false), NO_DLEDGER),
}

type Table = typeof storeTable

export type SettingName = keyof Table

/** Values by RocketMQ's names. */
export type StoreSettings = SettingsOf<Table>

const known = new KnownSettings(storeTable, 'a setting of MessageStoreConfig')

export const settingNames: readonly SettingName[] = known.names

export function defaultSettings(): StoreSettings {
  return known.defaults()
}

/**
 * Settings as a program gives them, checked and as the store uses them (sizes rounded, ratios clamped); undefined ones are left out.
 * Throws INVALID_SETTING for a value that is not allowed, and for a name that is no setting.
 */
export function checkSettings(settings: Readonly<Partial<StoreSettings>>): Partial<StoreSettings> {
  return known.check(settings)
}

/**
 * Settings from text, as parseProperties gives them. Names of other parts of a broker are passed over.
 * Throws INVALID_SETTING for a value that is not allowed, and for a name that differs from a setting's in a letter or two.
 */
export function settingsFrom(properties: Readonly<Record<string, string>>): Partial<StoreSettings> {
  return known.from(properties, (name, meant) => {
    if (meant !== undefined) throw known.unknown(name, properties[name])
  })
}

/** The directories of the log that the settings name, in the order in which they take turns; none is `commitlog` in the root. */
export function logPaths(settings: Readonly<Partial<StoreSettings>>): { paths: string[]; readOnly: string[] } {
  const of = (text: string | undefined): string[] => (text === undefined ? [] : [...new Set(pathsIn(text))].sort())
  return { paths: of(settings.storePathCommitLog), readOnly: of(settings.readOnlyCommitLogStorePaths) }
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

/**
 * A broker's settings: RocketMQ 4.9's BrokerConfig, NettyServerConfig, NettyClientConfig and MessageStoreConfig, by their own names.
 * Times are milliseconds and sizes bytes unless the name or a comment says otherwise.
 */
import { availableParallelism, homedir, hostname } from 'node:os'
import { join } from 'node:path'
import { nettyServerTable } from '../namesrv/settings.js'
import {
  allUnused,
  flag,
  KnownSettings,
  long,
  milliseconds,
  optional,
  port,
  refusing,
  type SettingsOf,
  size,
  text,
  unused,
  whole,
} from '../setting.js'
import { type StoreSettings, settingNames, storeTable } from '../store/settings.js'

const isSet = (value: string) => value.trim() !== ''
const isOn = (value: boolean) => value
const named = (fallback: string) => text<string>(fallback, 'a name', isSet)
const address = text<string | undefined>(undefined, 'an address without a port', (value) => /^\S+$/.test(value))

const NOT_IN_JAVA = 'RocketMQ 4.9 does not use it either'
const CPUS = availableParallelism()
const SEND_THREADS = Math.min(CPUS, 4)

const brokerTable = {
  // Who it is and where
  brokerName: named(hostname()),
  brokerClusterName: named('DefaultCluster'),
  brokerId: refusing(long(0), (id) => id !== 0, '0, the master: there are no slaves yet'),
  /** What clients are told and messages carry. Without it, the start finds one. */
  brokerIP1: address,
  brokerIP2: unused(address, 'there is nobody to copy the log from here'),
  /** Several with `;` between them. Without it, the broker registers nowhere. */
  namesrvAddr: text<string | undefined>(undefined, "host:port, or several with ';' between them", areAddresses),
  fetchNamesrvAddrByAddressServer: refusing(flag(false), isOn, 'false, with namesrvAddr instead: address servers are not asked yet'),
  /** Bits: 2 write, 4 read. */
  brokerPermission: whole(6, { max: 7 }),
  rocketmqHome: unused(optional('a path'), 'no file is read from there'),
  isolateLogEnable: unused(flag(false), 'there are no log files'),

  // Registering with name servers
  /** RocketMQ takes 10,000 for less and 60,000 for more. */
  registerNameServerPeriod: whole(30_000, { becomes: (period) => Math.min(60_000, Math.max(10_000, period)) }),
  registerBrokerTimeoutMills: milliseconds(6000),
  forceRegister: unused(flag(true), 'a broker registers each time, as with true'),
  compressedRegister: flag(false),

  // Topics and groups
  defaultTopicQueueNums: size(8),
  autoCreateTopicEnable: flag(true),
  clusterTopicEnable: flag(true),
  brokerTopicEnable: flag(true),
  autoCreateSubscriptionGroup: flag(true),
  notifyConsumerIdsChangedEnable: flag(true),
  flushConsumerOffsetInterval: milliseconds(5000),
  flushConsumerOffsetHistoryInterval: unused(milliseconds(60_000), NOT_IN_JAVA),

  // Traces, and what answers to sends tell of them
  traceTopicEnable: flag(false),
  msgTraceTopicName: named('RMQ_SYS_TRACE_TOPIC'),
  traceOn: flag(true),
  regionId: named('DefaultRegion'),

  // Sends
  /** Unix milliseconds; earlier ones are refused. */
  startAcceptSendRequestTimeStamp: long(0),
  /** Sends that wait; further ones are refused. */
  sendThreadPoolQueueCapacity: size(10_000),
  brokerFastFailureEnable: flag(true),
  waitTimeMillsInSendQueue: milliseconds(200),
  /** Levels. */
  maxDelayTime: unused(whole(40), NOT_IN_JAVA),
  storeReplyMessageEnable: unused(flag(true), 'requests between clients, which are answered by messages, are not passed on yet'),

  // Pulls
  longPollingEnable: flag(true),
  shortPollingTimeMills: milliseconds(1000),
  /** Pulls that wait; further ones are refused. */
  pullThreadPoolQueueCapacity: size(100_000),
  slaveReadEnable: flag(false),
  transferMsgByHeap: unused(flag(true), 'it concerns only how Java copies messages to a socket'),
  ...allUnused('no group is stopped for being slow', {
    disableConsumeIfConsumerReadSlowly: flag(false),
    consumerFallbehindThreshold: long(16 * 1024 ** 3),
  }),

  // What is not built
  aclEnable: refusing(flag(false), isOn, 'false: there is no access control yet, and every client would be let in'),
  messageStorePlugIn: refusing(
    text<string>('', 'names of classes', () => true),
    isSet,
    'none: Java classes can not be loaded, and messages would pass them by',
  ),
  filterServerNums: unused(whole(0), NOT_IN_JAVA),
  ...allUnused('transactional messages are refused: there are no transactions yet', {
    rejectTransactionMessage: flag(false),
    transactionTimeOut: milliseconds(6000),
    transactionCheckMax: whole(15),
    transactionCheckInterval: milliseconds(60_000),
    waitTimeMillsInTransactionQueue: milliseconds(3000),
    endTransactionThreadPoolNums: size(Math.max(8 + CPUS * 2, SEND_THREADS * 4)),
    endTransactionPoolQueueCapacity: size(100_000),
  }),
  ...allUnused('subscriptions by SQL92 are refused: only tags are filtered yet', {
    enablePropertyFilter: flag(false),
    enableCalcFilterBitMap: flag(false),
    expectConsumerNumUseFilter: whole(32),
    /** Percent. */
    maxErrorRateOfBloomFilter: whole(20, { min: 1, max: 100 }),
    filterDataCleanTimeSpan: long(86_400_000),
  }),
  filterSupportRetry: unused(flag(false), 'messages that are delivered again are not filtered by their first topic'),
  ...allUnused('statistics of that kind are not kept', {
    enableDetailStat: flag(true),
    autoDeleteUnusedStats: flag(false),
    commercialEnable: flag(true),
    commercialTimerCount: whole(1),
    commercialTransCount: whole(1),
    commercialBigCount: whole(1),
    commercialBaseCount: whole(1),
  }),

  // Threads and their queues
  highSpeedMode: unused(flag(false), NOT_IN_JAVA),
  ...allUnused('one thread serves all requests, those of the store do what waits for the disk', {
    sendMessageThreadPoolNums: size(SEND_THREADS),
    putMessageFutureThreadPoolNums: size(SEND_THREADS),
    pullMessageThreadPoolNums: size(16 + CPUS * 2),
    processReplyMessageThreadPoolNums: size(16 + CPUS * 2),
    queryMessageThreadPoolNums: size(8 + CPUS),
    adminBrokerThreadPoolNums: size(16),
    clientManageThreadPoolNums: size(32),
    consumerManageThreadPoolNums: size(32),
    heartbeatThreadPoolNums: size(Math.min(32, CPUS)),
  }),
  ...allUnused('only sends and pulls wait, and only sends are given up when they have waited for long', {
    putThreadPoolQueueCapacity: size(10_000),
    replyThreadPoolQueueCapacity: size(10_000),
    queryThreadPoolQueueCapacity: size(20_000),
    clientManagerThreadPoolQueueCapacity: size(1_000_000),
    consumerManagerThreadPoolQueueCapacity: size(1_000_000),
    heartbeatThreadPoolQueueCapacity: size(50_000),
    waitTimeMillsInPullQueue: milliseconds(5000),
    waitTimeMillsInHeartbeatQueue: milliseconds(31_000),
  }),

  /** Names that no request may update, `;` between them. */
  configBlackList: text<string>('configBlackList;brokerConfigPath', "names of settings, ';' between them", () => true),
}

const nettyTable = {
  /** 0 for any that is free. Another port, for clients that want one without pulls, is this one less 2. */
  listenPort: port(10911),
  /** Whom it listens to, as RocketMQ 5 has it. There is no access control: who reaches it is its client. */
  bindAddress: named('127.0.0.1'),
  /** The port that clients are told, where it is mapped to the one that is listened to; 0: that one. Not RocketMQ's. */
  advertisedPort: port(0),
  ...nettyServerTable,

  // As a client of name servers
  connectTimeoutMillis: milliseconds(3000),
  clientChannelMaxIdleTimeSeconds: size(120),
  useTLS: refusing(flag(false), isOn, 'false: there is no TLS yet, and all would be sent in the clear'),
  ...allUnused('its own connections lead to name servers alone, and are few', {
    clientWorkerThreads: size(4),
    clientCallbackExecutorThreads: size(CPUS),
    clientOnewaySemaphoreValue: whole(65_535),
    clientAsyncSemaphoreValue: whole(65_535),
    channelNotActiveInterval: milliseconds(60_000),
    clientSocketSndBufSize: whole(0),
    clientSocketRcvBufSize: whole(0),
    clientPooledByteBufAllocatorEnable: flag(false),
    clientCloseSocketIfTimeout: flag(true),
  }),
}

const table = {
  ...brokerTable,
  ...nettyTable,
  ...storeTable,
  storePathRootDir: text<string>(join(homedir(), 'store'), 'a path', isSet),
  brokerRole: refusing(storeTable.brokerRole, (role) => role === 'SLAVE', 'ASYNC_MASTER, SYNC_MASTER: nothing is replicated yet'),
  enableDLegerCommitLog: refusing(storeTable.enableDLegerCommitLog, isOn, 'false: DLedger is not supported'),
}

/** Values by RocketMQ's names. */
export type BrokerSettings = SettingsOf<typeof table>

export const brokerSettings = new KnownSettings(table, 'a setting of a broker')

/** Which ones `mqbroker -m` prints: RocketMQ's important fields, its store's behind its own. */
export const importantSettings: readonly (keyof BrokerSettings)[] = [
  'namesrvAddr',
  'brokerIP1',
  'brokerName',
  'brokerClusterName',
  'brokerId',
  'autoCreateTopicEnable',
  'autoCreateSubscriptionGroup',
  'msgTraceTopicName',
  'traceTopicEnable',
  'rejectTransactionMessage',
  'fetchNamesrvAddrByAddressServer',
  'transactionTimeOut',
  'transactionCheckMax',
  'transactionCheckInterval',
  'aclEnable',
  'storePathRootDir',
  'storePathCommitLog',
  'storePathDLedgerCommitLog',
  'flushIntervalCommitLog',
  'commitIntervalCommitLog',
  'flushCommitLogTimed',
  'deleteWhen',
  'fileReservedTime',
  'maxTransferBytesOnMessageInMemory',
  'maxTransferCountOnMessageInMemory',
  'maxTransferBytesOnMessageInDisk',
  'maxTransferCountOnMessageInDisk',
  'accessMessageInMemoryMaxRatio',
  'messageIndexEnable',
  'messageIndexSafe',
  'haMasterAddress',
  'brokerRole',
  'flushDiskType',
  'cleanFileForciblyEnable',
  'transientStorePoolEnable',
]

export function defaultBrokerSettings(): BrokerSettings {
  return brokerSettings.defaults()
}

/**
 * What of them MessageStore.open takes, besides its root. Values that are RocketMQ's defaults are left out: so the store finds the sizes
 * of its files from the files.
 */
export function storeSettingsOf(settings: BrokerSettings): Partial<StoreSettings> {
  return Object.fromEntries(
    settingNames
      .filter((name) => name !== 'storePathRootDir' && settings[name] !== undefined && settings[name] !== storeTable[name].fallback)
      .map((name) => [name, settings[name]]),
  )
}

/** As Java takes them: the last colon is before the port, what is behind the last `;` is nothing. */
function areAddresses(value: string): boolean {
  const addresses = value.replace(/;+$/, '').split(';')
  return addresses.every((one) => /^[^\s,]+:\d{1,5}$/.test(one) && Number(one.slice(one.lastIndexOf(':') + 1)) < 65_536)
}

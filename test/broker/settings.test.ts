import { availableParallelism, homedir, hostname } from 'node:os'
import t from 'tap'
import { type BrokerSettings, brokerSettings, defaultBrokerSettings, importantSettings, storeSettingsOf } from '#src/broker/settings.js'
import { parseProperties } from '#src/setting.js'
import { checkSettings, defaultSettings, settingNames } from '#src/store/settings.js'
import { thrown } from '../support/thrown.js'

const CPUS = availableParallelism()

/** What RocketMQ 4.9.8 has before a file changes it, as `mqbroker -p` prints it. */
const JAVA = parseProperties(`
brokerName=${hostname()}
brokerClusterName=DefaultCluster
brokerId=0
listenPort=10911
haListenPort=10912
brokerRole=ASYNC_MASTER
flushDiskType=ASYNC_FLUSH
brokerPermission=6
regionId=DefaultRegion
autoCreateTopicEnable=true
autoCreateSubscriptionGroup=true
defaultTopicQueueNums=8
clusterTopicEnable=true
brokerTopicEnable=true
traceTopicEnable=false
msgTraceTopicName=RMQ_SYS_TRACE_TOPIC
traceOn=true
notifyConsumerIdsChangedEnable=true
storeReplyMessageEnable=true
autoDeleteUnusedStats=false
longPollingEnable=true
shortPollingTimeMills=1000
slaveReadEnable=false
rejectTransactionMessage=false
transactionTimeOut=6000
transactionCheckMax=15
transactionCheckInterval=60000
messageDelayLevel=1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h
maxDelayTime=40
enablePropertyFilter=false
filterSupportRetry=false
enableCalcFilterBitMap=false
enableConsumeQueueExt=false
bitMapLengthConsumeQueueExt=64
expectConsumerNumUseFilter=32
maxErrorRateOfBloomFilter=20
filterDataCleanTimeSpan=86400000
aclEnable=false
startAcceptSendRequestTimeStamp=0
disableConsumeIfConsumerReadSlowly=false
consumerFallbehindThreshold=17179869184
brokerFastFailureEnable=true
waitTimeMillsInSendQueue=200
waitTimeMillsInPullQueue=5000
waitTimeMillsInHeartbeatQueue=31000
waitTimeMillsInTransactionQueue=3000
highSpeedMode=false
commercialEnable=true
commercialTimerCount=1
commercialTransCount=1
commercialBigCount=1
commercialBaseCount=1
enableDetailStat=true
isolateLogEnable=false
forceRegister=true
compressedRegister=false
registerBrokerTimeoutMills=6000
registerNameServerPeriod=30000
fetchNamesrvAddrByAddressServer=false
configBlackList=configBlackList;brokerConfigPath
transferMsgByHeap=true
channelNotActiveInterval=60000
flushConsumerOffsetInterval=5000
flushConsumerOffsetHistoryInterval=60000
isEnableBatchPush=false
enableScheduleMessageStats=true
enableScheduleAsyncDeliver=false
enableLmq=false
enableMultiDispatch=false
maxLmqConsumeQueueNum=20000
storePathRootDir=${homedir()}/store
mappedFileSizeCommitLog=1073741824
mappedFileSizeConsumeQueue=6000000
mappedFileSizeConsumeQueueExt=50331648
maxMessageSize=4194304
fileReservedTime=72
deleteWhen=04
diskMaxUsedSpaceRatio=75
cleanFileForciblyEnable=true
cleanResourceInterval=10000
deleteCommitLogFilesInterval=100
deleteConsumeQueueFilesInterval=100
destroyMapedFileIntervalForcibly=120000
redeleteHangedFileInterval=120000
checkCRCOnRecover=true
flushIntervalCommitLog=500
commitIntervalCommitLog=200
flushCommitLogTimed=true
flushCommitLogLeastPages=4
commitCommitLogLeastPages=4
flushCommitLogThoroughInterval=10000
commitCommitLogThoroughInterval=200
flushConsumeQueueLeastPages=2
flushIntervalConsumeQueue=1000
flushConsumeQueueThoroughInterval=60000
flushDelayOffsetInterval=10000
syncFlushTimeout=5000
osPageCacheBusyTimeOutMills=1000
accessMessageInMemoryMaxRatio=40
maxTransferBytesOnMessageInMemory=262144
maxTransferCountOnMessageInMemory=32
maxTransferBytesOnMessageInDisk=65536
maxTransferCountOnMessageInDisk=8
defaultQueryMaxNum=32
maxMsgsNumBatch=64
messageIndexEnable=true
messageIndexSafe=false
maxHashSlotNum=5000000
maxIndexNum=20000000
putMsgIndexHightWater=600000
haSendHeartbeatInterval=5000
haHousekeepingInterval=20000
haTransferBatchSize=32768
haSlaveFallbehindMax=268435456
slaveTimeout=3000
offsetCheckInSlave=false
transientStorePoolEnable=false
transientStorePoolSize=5
fastFailIfNoBufferInStorePool=false
warmMapedFileEnable=false
flushLeastPagesWhenWarmMapedFile=4096
scheduleAsyncDeliverMaxPendingLimit=2000
scheduleAsyncDeliverMaxResendNum2Blocked=3
duplicationEnable=false
diskFallRecorded=true
debugLockEnable=false
useReentrantLockWhenPutMessage=true
enableDLegerCommitLog=false
messageStorePlugIn=
filterServerNums=0
sendMessageThreadPoolNums=${Math.min(CPUS, 4)}
putMessageFutureThreadPoolNums=${Math.min(CPUS, 4)}
pullMessageThreadPoolNums=${16 + 2 * CPUS}
processReplyMessageThreadPoolNums=${16 + 2 * CPUS}
queryMessageThreadPoolNums=${8 + CPUS}
adminBrokerThreadPoolNums=16
clientManageThreadPoolNums=32
consumerManageThreadPoolNums=32
heartbeatThreadPoolNums=${Math.min(32, CPUS)}
endTransactionThreadPoolNums=${Math.max(8 + 2 * CPUS, 4 * Math.min(CPUS, 4))}
sendThreadPoolQueueCapacity=10000
putThreadPoolQueueCapacity=10000
pullThreadPoolQueueCapacity=100000
replyThreadPoolQueueCapacity=10000
queryThreadPoolQueueCapacity=20000
clientManagerThreadPoolQueueCapacity=1000000
consumerManagerThreadPoolQueueCapacity=1000000
heartbeatThreadPoolQueueCapacity=50000
endTransactionPoolQueueCapacity=100000
serverWorkerThreads=8
serverSelectorThreads=3
serverCallbackExecutorThreads=0
serverOnewaySemaphoreValue=256
serverAsyncSemaphoreValue=64
serverChannelMaxIdleTimeSeconds=120
serverSocketSndBufSize=0
serverSocketRcvBufSize=0
serverSocketBacklog=1024
serverPooledByteBufAllocatorEnable=true
writeBufferHighWaterMark=0
writeBufferLowWaterMark=0
useEpollNativeSelector=false
clientWorkerThreads=4
clientCallbackExecutorThreads=${CPUS}
clientOnewaySemaphoreValue=65535
clientAsyncSemaphoreValue=65535
connectTimeoutMillis=3000
clientChannelMaxIdleTimeSeconds=120
clientSocketSndBufSize=0
clientSocketRcvBufSize=0
clientPooledByteBufAllocatorEnable=false
clientCloseSocketIfTimeout=true
useTLS=false
`)

/** Settings that have no value until somebody gives them one. */
const WITHOUT_DEFAULT =
  `brokerIP1 brokerIP2 namesrvAddr rocketmqHome storePathCommitLog storePathDLedgerCommitLog readOnlyCommitLogStorePaths
  haMasterAddress dLegerGroup dLegerPeers dLegerSelfId preferredLeaderId`.split(/\s+/)

/** What is there besides 4.9.8: names of RocketMQ 5, one of our own, and the one that 4.9.8 reads where it writes isEnableBatchPush. */
const BESIDES = {
  bindAddress: '127.0.0.1',
  advertisedPort: '0',
  enableBatchPush: 'false',
  diskSpaceCleanForciblyRatio: '85',
  diskSpaceWarningLevelRatio: '90',
}

const BROKER_CONF = `
# Licensed to nobody in particular
brokerClusterName = DefaultCluster
brokerName = broker-a
brokerId = 0
namesrvAddr=192.168.0.1:9876;ns2.example:9876;
brokerIP1=192.168.0.7
listenPort=10911
deleteWhen = 04
fileReservedTime = 48
brokerRole = ASYNC_MASTER
flushDiskType = SYNC_FLUSH
storePathRootDir=/data/store
storePathCommitLog=/data/store/commitlog
mapedFileSizeCommitLog=1073741824
mappedFileSizeCommitLog=536870912
autoCreateTopicEnable=false
sendMessageThreadPoolNums=16
useReentrantLockWhenPutMessage=true
transientStorePoolEnable=true
checkTransactionMessageEnable=false
`

type Refusal = { code?: string; setting?: string; value?: unknown; allowed?: string; message?: string }

function invalid(work: () => unknown): Refusal | undefined {
  const error = thrown(work) as Refusal | undefined
  if (error !== undefined && error.code !== 'INVALID_SETTING') throw error
  return error
}

t.test('defaults are those of RocketMQ 4.9.8, and no name of it is missing', async (t) => {
  const ours = parseProperties(brokerSettings.text(defaultBrokerSettings()))
  t.strictSame(ours, { ...JAVA, ...BESIDES })
  t.same(Object.keys(defaultBrokerSettings()).sort(), [...Object.keys({ ...JAVA, ...BESIDES }), ...WITHOUT_DEFAULT].sort())
})

t.test('every default is itself allowed, and none is refused or without effect', async (t) => {
  const defaults = defaultBrokerSettings()
  t.strictSame({ ...defaults, ...brokerSettings.check(defaults) }, defaults)
  t.strictSame({ ...defaults, ...brokerSettings.from(parseProperties(brokerSettings.text(defaults))) }, defaults)
  brokerSettings.refuseUnsupported(defaults)
  t.same(brokerSettings.withoutEffect(defaults), [])
})

t.test('text becomes what the setting holds; the period of registering is clamped, as RocketMQ does', async (t) => {
  const text = {
    brokerPermission: '4',
    traceOn: 'FALSE',
    brokerRole: 'SYNC_MASTER',
    startAcceptSendRequestTimeStamp: '1764400000000',
    listenPort: '0',
    mappedFileSizeConsumeQueue: '2001',
    namesrvAddr: '[::1]:9876;a:1;',
  }
  t.strictSame(brokerSettings.from(text), {
    brokerPermission: 4,
    traceOn: false,
    brokerRole: 'SYNC_MASTER',
    startAcceptSendRequestTimeStamp: 1_764_400_000_000,
    listenPort: 0,
    mappedFileSizeConsumeQueue: 2020,
    namesrvAddr: '[::1]:9876;a:1;',
  })
  t.same(
    [0, 9999, 10_000, 30_001, 60_000, 60_001].map(
      (registerNameServerPeriod) => brokerSettings.check({ registerNameServerPeriod }).registerNameServerPeriod,
    ),
    [10_000, 10_000, 10_000, 30_001, 60_000, 60_000],
  )
})

t.test('a value that is not allowed is refused with the setting, the value and what is allowed', async (t) => {
  const wrong: [keyof BrokerSettings, unknown][] = [
    ['listenPort', 65_536],
    ['listenPort', '-1'],
    ['bindAddress', ' '],
    ['brokerName', ''],
    ['brokerIP1', ''],
    ['brokerIP2', 'a b'],
    ['brokerId', '-1'],
    ['brokerPermission', 8],
    ['defaultTopicQueueNums', 0],
    ['autoCreateTopicEnable', 'yes'],
    ['namesrvAddr', ''],
    ['namesrvAddr', ';'],
    ['namesrvAddr', '127.0.0.1'],
    ['namesrvAddr', '127.0.0.1:65536'],
    ['namesrvAddr', 'a:9876,b:9876'],
    ['namesrvAddr', 'a:9876; b:9876'],
    ['maxErrorRateOfBloomFilter', 0],
    ['consumerFallbehindThreshold', Number.MAX_SAFE_INTEGER + 1],
    ['storePathRootDir', ''],
    ['brokerRole', 'MASTER'],
    ['maxMessageSize', '4M'],
  ]
  for (const [setting, value] of wrong) {
    const error = invalid(() => brokerSettings.check({ [setting]: value }))
    t.match(error, { setting, value }, `${setting} ${value}`)
    t.ok(error?.allowed && error.message?.includes(error.allowed))
    if (typeof value === 'string') t.equal(invalid(() => brokerSettings.from({ [setting]: value }))?.setting, setting)
  }
})

t.test('an unknown name is an error, with the name that was probably meant, or told', async (t) => {
  const slips: Record<string, string> = {
    brokerNam: 'brokerName',
    autoCreateTopicsEnable: 'autoCreateTopicEnable',
    mapedFileSizeCommitLog: 'mappedFileSizeCommitLog',
    clientCloseSocketIfTimeOut: 'clientCloseSocketIfTimeout',
    whatever: 'a setting of a broker',
    toString: 'a setting of a broker',
  }
  for (const [name, meant] of Object.entries(slips)) {
    t.match(
      invalid(() => brokerSettings.from({ [name]: '1' })),
      { setting: name, value: '1', allowed: new RegExp(`^${meant}`) },
    )
    t.match(
      invalid(() => brokerSettings.check({ [name]: 1 } as never)),
      { setting: name, allowed: new RegExp(`^${meant}`) },
    )
  }
  t.same(brokerSettings.check({ brokerName: undefined } as never), {})
  const told: unknown[] = []
  t.same(
    brokerSettings.from({ brokerNam: 'a', whatever: '1', brokerId: '0' }, (name, meant) => told.push([name, meant])),
    { brokerId: 0 },
  )
  t.same(told, [
    ['brokerNam', 'brokerName'],
    ['whatever', undefined],
  ])
})

t.test('what would be unsafe without what is not built is refused, with the reason', async (t) => {
  const refused: [keyof BrokerSettings, unknown, RegExp][] = [
    ['aclEnable', true, /no access control/],
    ['useTLS', true, /no TLS/],
    ['brokerRole', 'SLAVE', /replicated/],
    ['brokerId', 1, /slaves/],
    ['enableDLegerCommitLog', true, /DLedger/],
    ['fetchNamesrvAddrByAddressServer', true, /namesrvAddr/],
    ['messageStorePlugIn', 'org.example.Store', /classes/],
  ]
  for (const [setting, value, reason] of refused) {
    const settings = brokerSettings.check({ [setting]: value })
    t.match(
      invalid(() => brokerSettings.refuseUnsupported(settings)),
      { setting, value, allowed: reason, message: reason },
      setting,
    )
    t.match(
      invalid(() => brokerSettings.refuseUnsupported({ ...defaultBrokerSettings(), ...settings })),
      { setting },
    )
  }
  brokerSettings.refuseUnsupported({ brokerRole: 'SYNC_MASTER', rejectTransactionMessage: false, transientStorePoolEnable: true })
})

t.test('what was given and has no effect is told with the reason, in the order of the table', async (t) => {
  const given = brokerSettings.check({
    useEpollNativeSelector: true,
    sendMessageThreadPoolNums: 1000,
    warmMapedFileEnable: true,
    rejectTransactionMessage: true,
    enablePropertyFilter: true,
    rocketmqHome: '/opt/rocketmq',
    haMasterAddress: '127.0.0.1:10912',
    storeReplyMessageEnable: true,
    transactionCheckMax: 15,
    traceOn: false,
    flushDiskType: 'SYNC_FLUSH',
    maxMessageSize: 1000,
  })
  const told = brokerSettings.withoutEffect(given)
  t.same(
    told.map(({ name }) => name),
    [
      'rocketmqHome',
      'rejectTransactionMessage',
      'enablePropertyFilter',
      'sendMessageThreadPoolNums',
      'useEpollNativeSelector',
      'warmMapedFileEnable',
      'haMasterAddress',
    ],
  )
  const reasons = Object.fromEntries(told.map(({ name, reason }) => [name, reason]))
  t.match(reasons, { rejectTransactionMessage: /transactional messages are refused/, enablePropertyFilter: /SQL92 are refused/ })
  t.ok(told.every(({ reason }) => reason !== ''))
})

t.test('what the broker and its store act on is never said to be without effect', async (t) => {
  const used = `brokerClusterName brokerName brokerIP1 namesrvAddr brokerPermission defaultTopicQueueNums autoCreateTopicEnable
    clusterTopicEnable brokerTopicEnable autoCreateSubscriptionGroup traceTopicEnable msgTraceTopicName traceOn regionId notifyConsumerIdsChangedEnable
    longPollingEnable shortPollingTimeMills startAcceptSendRequestTimeStamp registerNameServerPeriod registerBrokerTimeoutMills
    compressedRegister flushConsumerOffsetInterval sendThreadPoolQueueCapacity pullThreadPoolQueueCapacity waitTimeMillsInSendQueue
    brokerFastFailureEnable configBlackList listenPort bindAddress serverChannelMaxIdleTimeSeconds connectTimeoutMillis slaveReadEnable
    clientChannelMaxIdleTimeSeconds flushDelayOffsetInterval defaultQueryMaxNum maxMsgsNumBatch
    storePathRootDir mappedFileSizeCommitLog flushDiskType fileReservedTime deleteWhen maxMessageSize messageDelayLevel enableLmq`.split(
    /\s+/,
  )
  const other = (value: unknown) => (typeof value === 'boolean' ? !value : typeof value === 'number' ? value + 1 : 'other')
  const given = Object.fromEntries(Object.entries(defaultBrokerSettings()).map(([name, value]) => [name, other(value)]))
  const told = brokerSettings.withoutEffect(given).map(({ name }) => name as string)
  t.same(
    used.filter((name) => told.includes(name) || !Object.hasOwn(given, name)),
    [],
  )
  t.ok(told.length > 90, `${told.length} without effect`)
})

t.test('important settings are those that mqbroker -m prints', async (t) => {
  const settings = { ...defaultBrokerSettings(), brokerIP1: '10.0.0.1', brokerName: 'broker-a', storePathRootDir: '/data' }
  t.same(brokerSettings.text(settings, importantSettings).split('\n'), [
    'brokerIP1=10.0.0.1',
    'brokerName=broker-a',
    'brokerClusterName=DefaultCluster',
    'brokerId=0',
    'autoCreateTopicEnable=true',
    'autoCreateSubscriptionGroup=true',
    'msgTraceTopicName=RMQ_SYS_TRACE_TOPIC',
    'traceTopicEnable=false',
    'rejectTransactionMessage=false',
    'fetchNamesrvAddrByAddressServer=false',
    'transactionTimeOut=6000',
    'transactionCheckMax=15',
    'transactionCheckInterval=60000',
    'aclEnable=false',
    'storePathRootDir=/data',
    'flushIntervalCommitLog=500',
    'commitIntervalCommitLog=200',
    'flushCommitLogTimed=true',
    'deleteWhen=04',
    'fileReservedTime=72',
    'maxTransferBytesOnMessageInMemory=262144',
    'maxTransferCountOnMessageInMemory=32',
    'maxTransferBytesOnMessageInDisk=65536',
    'maxTransferCountOnMessageInDisk=8',
    'accessMessageInMemoryMaxRatio=40',
    'messageIndexEnable=true',
    'messageIndexSafe=false',
    'brokerRole=ASYNC_MASTER',
    'flushDiskType=ASYNC_FLUSH',
    'cleanFileForciblyEnable=true',
    'transientStorePoolEnable=false',
    '',
  ])
})

t.test('a broker.conf is read as it is', async (t) => {
  const told: unknown[] = []
  const given = brokerSettings.from(parseProperties(BROKER_CONF), (name, meant) => told.push([name, meant]))
  t.same(told, [
    ['mapedFileSizeCommitLog', 'mappedFileSizeCommitLog'],
    ['checkTransactionMessageEnable', undefined],
  ])
  t.strictSame(given, {
    brokerClusterName: 'DefaultCluster',
    brokerName: 'broker-a',
    brokerId: 0,
    namesrvAddr: '192.168.0.1:9876;ns2.example:9876;',
    brokerIP1: '192.168.0.7',
    listenPort: 10911,
    deleteWhen: '04',
    fileReservedTime: 48,
    brokerRole: 'ASYNC_MASTER',
    flushDiskType: 'SYNC_FLUSH',
    storePathRootDir: '/data/store',
    storePathCommitLog: '/data/store/commitlog',
    mappedFileSizeCommitLog: 536_870_912,
    autoCreateTopicEnable: false,
    sendMessageThreadPoolNums: 16,
    useReentrantLockWhenPutMessage: true,
    transientStorePoolEnable: true,
  })
  brokerSettings.refuseUnsupported(given)
  t.same(
    brokerSettings.withoutEffect(given).map(({ name }) => name),
    ['sendMessageThreadPoolNums', 'transientStorePoolEnable'],
  )
})

t.test('the store gets what differs from its defaults, and finds the rest from its files', async (t) => {
  t.same(storeSettingsOf(defaultBrokerSettings()), {})
  const given = brokerSettings.from(parseProperties(BROKER_CONF), () => {})
  const forStore = storeSettingsOf({ ...defaultBrokerSettings(), ...given })
  t.strictSame(forStore, {
    storePathCommitLog: '/data/store/commitlog',
    fileReservedTime: 48,
    flushDiskType: 'SYNC_FLUSH',
    mappedFileSizeCommitLog: 536_870_912,
    transientStorePoolEnable: true,
  })
  t.strictSame(checkSettings(forStore), forStore)
  const defaults = defaultBrokerSettings()
  t.same(
    settingNames.filter((name) => name !== 'storePathRootDir' && defaults[name] !== defaultSettings()[name]),
    [],
  )
})

import t from 'tap'
import { StoreError } from '#src/errors.js'
import { checkSettings, defaultSettings, parseProperties, type SettingName, settingNames, settingsFrom } from '#src/store/settings.js'
import { allFixtures, fixture } from '../support/fixtures.js'

function refusal(work: () => unknown): StoreError | undefined {
  try {
    work()
  } catch (error) {
    if (error instanceof StoreError) return error
    throw error
  }
  return undefined
}

t.test('defaults are those of RocketMQ 4.9', async (t) => {
  t.match(defaultSettings(), {
    mappedFileSizeCommitLog: 1073741824,
    mappedFileSizeConsumeQueue: 6000000,
    maxHashSlotNum: 5000000,
    maxIndexNum: 20000000,
    maxMessageSize: 4194304,
    flushDiskType: 'ASYNC_FLUSH',
    brokerRole: 'ASYNC_MASTER',
    deleteWhen: '04',
    fileReservedTime: 72,
    useReentrantLockWhenPutMessage: true,
    haSlaveFallbehindMax: 268435456,
  })
  t.equal(defaultSettings().storePathCommitLog, undefined)
  t.equal(settingNames.length, Object.keys(defaultSettings()).length)
})

t.test('every default is itself allowed', async (t) => {
  t.same(checkSettings(defaultSettings()), Object.fromEntries(Object.entries(defaultSettings()).filter(([, value]) => value !== undefined)))
  for (const [name, value] of Object.entries(defaultSettings()))
    if (value !== undefined) t.strictSame(settingsFrom({ [name]: String(value) }), { [name]: value })
})

t.test('settings of every fixture are read', async (t) => {
  for (const name of allFixtures) {
    const { mappedFileSizeCommitLog, maxHashSlotNum, maxIndexNum } = fixture(name).settings
    t.ok(mappedFileSizeCommitLog && maxHashSlotNum && maxIndexNum, name)
  }
})

t.test('text becomes what the setting holds', async (t) => {
  const text = {
    mappedFileSizeCommitLog: ' 65536 ',
    enableLmq: 'TRUE',
    checkCRCOnRecover: 'false',
    flushDiskType: 'SYNC_FLUSH ',
    deleteWhen: '04;23',
    messageDelayLevel: '1s 2s',
    storePathCommitLog: '/data/log',
  }
  t.strictSame(settingsFrom(text), {
    ...text,
    mappedFileSizeCommitLog: 65536,
    enableLmq: true,
    checkCRCOnRecover: false,
    flushDiskType: 'SYNC_FLUSH',
  })
})

t.test('sizes of queue files are rounded up to whole units, ratios are clamped, as RocketMQ does', async (t) => {
  const used = (name: SettingName, value: number) => checkSettings({ [name]: value })[name]
  t.same(
    [2000, 2001, 1, 20].map((size) => used('mappedFileSizeConsumeQueue', size)),
    [2000, 2020, 20, 20],
  )
  t.same(
    [0, 9, 10, 75, 95, 96, 1000].map((ratio) => used('diskMaxUsedSpaceRatio', ratio)),
    [10, 10, 10, 75, 95, 95, 95],
  )
})

t.test('a value that is not allowed is refused with the setting, the value and what is allowed', async (t) => {
  const wrong: [SettingName, unknown][] = [
    ['mappedFileSizeCommitLog', 1023],
    ['mappedFileSizeCommitLog', 2147483648],
    ['mappedFileSizeCommitLog', '64K'],
    ['mappedFileSizeCommitLog', ''],
    ['mappedFileSizeCommitLog', 65536.5],
    ['maxIndexNum', 1],
    ['maxHashSlotNum', '-5'],
    ['haListenPort', 65536],
    ['enableLmq', 'yes'],
    ['enableLmq', 1],
    ['flushDiskType', 'sync_flush'],
    ['brokerRole', null],
    ['deleteWhen', '24'],
    ['deleteWhen', '4;'],
    ['messageDelayLevel', '1s,5s'],
    ['messageDelayLevel', ''],
    ['storePathCommitLog', ''],
    ['storePathCommitLog', ' , '],
    ['readOnlyCommitLogStorePaths', ','],
    ['accessMessageInMemoryMaxRatio', 101],
  ]
  for (const [setting, value] of wrong) {
    const error = refusal(() => checkSettings({ [setting]: value }))
    t.match(error, { code: 'INVALID_SETTING', setting, value }, `${setting} ${value}`)
    t.ok(error?.allowed && error.message.includes(setting) && error.message.includes(error.allowed))
    if (typeof value === 'string') t.equal(refusal(() => settingsFrom({ [setting]: value }))?.setting, setting)
  }
})

t.test('names of other parts of a broker are passed over', async (t) => {
  const names = ['brokerName', 'brokerClusterName', 'brokerId', 'brokerIP1', 'listenPort', 'namesrvAddr', 'autoCreateTopicEnable']
  const newer = ['timerWheelEnable', 'accessMessageInMemoryHotRatio', 'storeType', 'mappedFileSizeTimerLog', 'haMaxGapNotInSync', 'x', '']
  for (const name of [...names, ...newer]) t.same(settingsFrom({ [name]: 'anything' }), {}, name)
})

t.test('a slip in a name is refused, with the name that was probably meant', async (t) => {
  const slips: Record<string, SettingName> = {
    mapedFileSizeCommitLog: 'mappedFileSizeCommitLog',
    mappedFileSizeCommitlog: 'mappedFileSizeCommitLog',
    warmMappedFileEnable: 'warmMapedFileEnable',
    flushDiskTyp: 'flushDiskType',
  }
  for (const [name, setting] of Object.entries(slips)) {
    const error = refusal(() => settingsFrom({ [name]: '1' }))
    t.equal(error?.setting, name)
    t.match(error?.allowed, setting)
  }
})

t.test('a program that names no setting is refused, and undefined is no value', async (t) => {
  t.same(checkSettings({ maxMessageSize: undefined } as never), {})
  t.equal(refusal(() => checkSettings({ listenPort: 10911 } as never))?.setting, 'listenPort')
  t.match(refusal(() => checkSettings({ maxMesageSize: 1 } as never))?.allowed, 'maxMessageSize')
  t.equal(refusal(() => checkSettings({ toString: 1 } as never))?.setting, 'toString')
})

t.test('a .properties file has comments, escapes and continued lines', async (t) => {
  const text = [
    '# a comment',
    '! another',
    '',
    'maxMessageSize=65536',
    '  flushDiskType : SYNC_FLUSH',
    'deleteWhen 04;\\',
    '    05',
    'storePathCommitLog=C:\\\\log\\u0041',
    'enableLmq=false',
    'enableLmq=true',
    'brokerName = broker-a = b',
    'empty=',
  ]
  for (const newline of ['\n', '\r\n']) {
    const properties = parseProperties(text.join(newline))
    t.same(properties, {
      maxMessageSize: '65536',
      flushDiskType: 'SYNC_FLUSH',
      deleteWhen: '04;05',
      storePathCommitLog: 'C:\\logA',
      enableLmq: 'true',
      brokerName: 'broker-a = b',
      empty: '',
    })
    t.match(settingsFrom(properties), { maxMessageSize: 65536, enableLmq: true, deleteWhen: '04;05' })
  }
})

import fc from 'fast-check'
import t from 'tap'
import { StoreError } from '#src/errors.js'
import * as format from '#src/format/index.js'
import { anyRecord, encodeBlank, encodeRecord, type RecordFields } from '../support/layouts.js'

/** Bytes as RocketMQ 4.9.8 wrote them. */
const v4 = Buffer.from(
  '000000a7daa320a73610a68600000000000000070000000000000000000000000000000000000000' +
    '0000018bcfe568000a0102030000d431000001a20530ccb77f00000100002a9f00000002' +
    '00000000000000000000000568656c6c6f09546f70696354657374003e' +
    '4b455953016b31206b3202554e49515f4b455901304130303030303130303030313842344141433230303030303030303030303102544147530154616741',
  'hex',
)
const v6 = Buffer.from(
  '000000b9daa320a77706591600000000000000070000000000000004000000000000033f000000300000018bcfe56800' +
    '20010db80000000000000000000000010000d431000001a20530ccd420010db800000000000000000000000200002a9f' +
    '00000002000000000000000000000002763609546f70696354657374003b4b455953016b3602554e49515f4b45590130' +
    '4130303030303130303030313842344141433230303030303030303030303102544147530154616741',
  'hex',
)

const common = {
  version: 1,
  queueId: 0,
  flag: 7,
  bornTimestamp: 1700000000000,
  reconsumeTimes: 2,
  preparedTransactionOffset: 0,
  topic: 'TopicTest',
}

t.test('a record is read as RocketMQ wrote it', async (t) => {
  const properties = { KEYS: 'k1 k2', UNIQ_KEY: '0A000001000018B4AAC2000000000001', TAGS: 'TagA' }
  t.match(format.readRecord(v4), {
    ...{ ...common, properties, size: 167, bodyCrc: 0x3610a686, queueOffset: 0, logOffset: 0, sysFlag: 0 },
    ...{ bornHost: '10.1.2.3:54321', storeHost: '127.0.0.1:10911', storeTimestamp: 1795383413943, body: Buffer.from('hello'), raw: v4 },
  })
  t.same(format.checkRecord(v4, 0, { logOffset: 0 }), { found: 'record', size: 167 })
})

t.test('a record with IPv6 hosts is read as RocketMQ wrote it', async (t) => {
  const properties = { KEYS: 'k6', UNIQ_KEY: '0A000001000018B4AAC2000000000001', TAGS: 'TagA' }
  t.match(format.readRecord(v6), {
    ...{ ...common, properties, size: 185, queueOffset: 4, logOffset: 831, sysFlag: 0x30, body: Buffer.from('v6'), raw: v6 },
    ...{ bornHost: '[2001:db8:0:0:0:0:0:1]:54321', storeHost: '[2001:db8:0:0:0:0:0:2]:10911', storeTimestamp: 1795383413972 },
    messageId: '20010DB800000000000000000000000200002A9F000000000000033F',
  })
  t.same(format.checkRecord(v6, 0, { logOffset: 831 }), { found: 'record', size: 185 })
})

t.test('a blank record ends its segment', async (t) => {
  const blank = encodeBlank(959)
  t.equal(blank.toString('hex', 0, 8), '000003bfcbd43194')
  t.same(format.checkRecord(blank), { found: 'blank', size: 959 })
  t.same(format.checkRecord(encodeBlank(8)), { found: 'blank', size: 8 })
  t.equal(format.checkRecord(blank.subarray(0, 958)).found, 'badLength', 'one that reaches over the end')
  t.equal(format.checkRecord(encodeBlank(8).fill(0, 0, 4)).found, 'badLength', 'one of length 0')
})

t.test('records that were written are read, of both versions and all host families', async () => {
  fc.assert(
    fc.property(anyRecord, fc.nat({ max: 30 }), (fields, before) => {
      const bytes = Buffer.concat([Buffer.alloc(before, 1), encodeRecord(fields), Buffer.alloc(10, 1)])
      const { found, size } = format.checkRecord(bytes, before, { logOffset: fields.logOffset })
      return found === 'record' && size === bytes.length - before - 10 && holds(format.readRecord(bytes, before), fields)
    }),
  )
})

t.test('a version-2 record holds a topic that version 1 has no room for', async (t) => {
  const [fields] = fc.sample(anyRecord, 1)
  const topic = `%RETRY%${'g'.repeat(242)}`
  const bytes = encodeRecord({ ...(fields as RecordFields), version: 2, topic })
  t.equal(format.readRecord(bytes).topic, topic)
})

t.test('a record that is cut anywhere is called cut', async () => {
  fc.assert(
    fc.property(anyRecord, fc.nat(), (fields, cut) => {
      const bytes = encodeRecord(fields)
      return format.checkRecord(bytes.subarray(0, cut % bytes.length)).found === 'cut'
    }),
  )
})

t.test('a bit that flips in the body is found by the CRC, and by nothing else', async () => {
  fc.assert(
    fc.property(
      anyRecord.filter(({ body }) => body.length > 0),
      fc.nat(),
      (fields, bit) => {
        const bytes = encodeRecord(fields)
        const body = format.bodyOf(bytes, 0)
        const at = (bit >> 3) % body.length
        body[at] = body[at]! ^ (1 << (bit & 7))
        return format.checkRecord(bytes).found === 'badCrc' && format.checkRecord(bytes, 0, { checkCrc: false }).found === 'record'
      },
    ),
  )
})

t.test('a record that says it lies elsewhere is told apart', async (t) => {
  t.equal(format.checkRecord(v6, 0, { logOffset: 832 }).found, 'badOffset')
})

t.test('parts that do not add up to the size are told apart', async (t) => {
  const longer = Buffer.concat([v4, Buffer.alloc(1)])
  longer.writeInt32BE(168, 0)
  t.equal(format.checkRecord(longer).found, 'badLength')
})

t.test('parts that reach over the end, or have a negative length, are cut', async (t) => {
  const bodyLength = 84
  const topicLength = 88 + 5
  const propertiesLength = topicLength + 1 + 9
  const changes: [number, Buffer][] = [
    [bodyLength, Buffer.from('7fffffff', 'hex')],
    [bodyLength, Buffer.from('ffffffff', 'hex')],
    [bodyLength, Buffer.from('0000004f', 'hex')],
    [topicLength, Buffer.from('ff', 'hex')],
    [topicLength, Buffer.from('7f', 'hex')],
    [propertiesLength, Buffer.from('ffff', 'hex')],
    [propertiesLength, Buffer.from('7fff', 'hex')],
    [0, Buffer.from('0000005a', 'hex')],
    [0, Buffer.from('ffffffff', 'hex')],
  ]
  for (const [at, bytes] of changes) {
    const record = Buffer.from(v4)
    record.set(bytes, at)
    t.equal(format.checkRecord(record).found, 'cut', `${bytes.toString('hex')} at ${at}`)
  }
})

t.test('where nothing was written, and where something else lies', async (t) => {
  t.same(format.checkRecord(Buffer.alloc(100)), { found: 'end', size: 0 })
  t.equal(format.checkRecord(Buffer.alloc(100, 1)).found, 'badMagic')
  t.equal(format.checkRecord(Buffer.from(v4).fill(0, 4, 8)).found, 'badMagic', 'a size without a magic number')
  t.equal(format.checkRecord(Buffer.alloc(7)).found, 'cut')
})

t.test('whatever bytes lie there get an answer within them', async () => {
  const start = fc.constantFrom('daa320a7', 'daa320ab', 'cbd43194', '00000000', 'ffffffff')
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), start, fc.integer({ min: -1, max: 320 }), (array, magic, size) => {
      const bytes = Buffer.concat([Buffer.alloc(8), array])
      bytes.writeInt32BE(size, 0)
      bytes.set(Buffer.from(magic, 'hex'), 4)
      const check = format.checkRecord(bytes)
      return (check.found !== 'record' && check.found !== 'blank') || check.size <= bytes.length
    }),
    { numRuns: 2000 },
  )
})

t.test('reading what is no record says what lies there', async (t) => {
  for (const [bytes, text] of [
    [Buffer.alloc(100), 'nothing'],
    [encodeBlank(100), 'a blank record'],
    [v4.subarray(0, 100), 'cut off'],
  ] as const) {
    try {
      format.readRecord(bytes)
      t.fail(text)
    } catch (error) {
      t.ok(error instanceof StoreError && error.code === 'RECORD_MALFORMED')
      t.match(error, { message: text })
    }
  }
})

t.test('every finding has its own words', async (t) => {
  const findings: format.RecordFound[] = ['record', 'blank', 'end', 'badMagic', 'cut', 'badLength', 'badOffset', 'badCrc']
  t.equal(new Set(findings.map(format.foundText)).size, findings.length)
})

function holds(record: format.StoredRecord, fields: RecordFields): boolean {
  const plain = [
    'version',
    'queueId',
    'flag',
    'queueOffset',
    'logOffset',
    'bornTimestamp',
    'storeTimestamp',
    'reconsumeTimes',
    'topic',
  ] as const
  return (
    plain.every((name) => record[name] === fields[name]) &&
    record.preparedTransactionOffset === fields.preparedTransactionOffset &&
    record.body.equals(fields.body) &&
    record.bornHost === format.hostText(fields.bornHost, 0, fields.bornHost.length) &&
    record.storeHost === format.hostText(fields.storeHost, 0, fields.storeHost.length) &&
    record.messageId.startsWith(Buffer.from(fields.storeHost).toString('hex').toUpperCase()) &&
    JSON.stringify(Object.entries(record.properties).sort()) === JSON.stringify(Object.entries(fields.properties).sort())
  )
}

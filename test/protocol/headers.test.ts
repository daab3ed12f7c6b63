/** Headers that are cut, twisted or left out: read as Java reads them, or refused; never anything else. */
import t from 'tap'
import { type Command, readCommand, writeCommand } from '#src/protocol/command.js'
import { bool, fieldsOf, int32, int64, optional, text } from '#src/protocol/fields.js'
import { BINARY_HEADER, FrameError, FrameReader, frameHead, JSON_HEADER } from '#src/protocol/frame.js'
import { thrown } from '../support/thrown.js'

function read(type: Command['type'], header: Buffer): Command {
  const reader = new FrameReader()
  reader.push(frameHead(type, header, 0))
  const frame = reader.next()
  if (frame === undefined) throw new Error('no whole frame')
  return readCommand(frame)
}

const json = (text: string) => read(JSON_HEADER, Buffer.from(text))

function binaryHeader({ fields = Buffer.alloc(0), language = 0 } = {}): Buffer {
  const fixed = Buffer.from('000a000199000000070000000000000003616263', 'hex')
  fixed.writeInt8(language, 2)
  const length = Buffer.alloc(4)
  length.writeInt32BE(fields.length)
  return Buffer.concat([fixed, length, fields])
}

const field = (name: string, value: string) => {
  const [nameBytes, valueBytes] = [Buffer.from(name), Buffer.from(value)]
  const bytes = Buffer.alloc(6)
  bytes.writeInt16BE(nameBytes.length)
  bytes.writeInt32BE(valueBytes.length, 2)
  return Buffer.concat([bytes.subarray(0, 2), nameBytes, bytes.subarray(2), valueBytes])
}

t.test('a binary header cut anywhere is refused, and a field whose lengths lie is too', async (t) => {
  const whole = binaryHeader({ fields: Buffer.concat([field('topic', 'orders'), field('queueId', '1')]) })
  t.match(read(BINARY_HEADER, whole), { code: 10, opaque: 7, remark: 'abc', fields: { topic: 'orders', queueId: '1' }, language: 'JAVA' })
  for (let cut = 1; cut < whole.length; cut++) t.throws(() => read(BINARY_HEADER, whole.subarray(0, cut)), FrameError, `cut at ${cut}`)
  for (const bad of ['ffff', '0001', '7fff61', '000161ffffffff', '00016100000002', '00016100'])
    t.throws(() => read(BINARY_HEADER, binaryHeader({ fields: Buffer.from(bad, 'hex') })), FrameError, bad)
})

t.test('an empty value is none, a field without a name is passed over, and no field is a prototype', async (t) => {
  const fields = Buffer.concat([field('a', ''), field('', 'x'), field('__proto__', 'x'), field('b', 'y')])
  const command = read(BINARY_HEADER, binaryHeader({ fields, language: 99 }))
  t.same(command.fields, { a: undefined, b: 'y' })
  t.equal(command.language, undefined)
  const again = writeCommand(command)
  t.equal(again[10], 7, 'a language that is not known goes as OTHER')
})

t.test('what JSON headers leave out has its default; what is no text becomes one', async (t) => {
  t.same(json('{}'), {
    code: 0,
    language: undefined,
    version: 0,
    opaque: 0,
    flag: 0,
    remark: undefined,
    fields: undefined,
    type: JSON_HEADER,
    body: Buffer.alloc(0),
  })
  t.match(json('{"opaque":null,"remark":null,"extFields":null,"language":null}'), {
    opaque: 0,
    remark: undefined,
    fields: undefined,
    language: undefined,
  })
  t.match(json('{"remark":5,"language":9,"code":"310","extFields":{"a":1,"b":true,"c":null,"d":{"e":[]},"f":12345678901234567890}}'), {
    ...{ remark: '5', language: 'GO', code: 310 },
    fields: { a: '1', b: 'true', c: undefined, d: '{"e":[]}', f: '12345678901234567890' },
  })
  for (const bad of ['{"opaque":1.5}', '{"code":true}', '{"extFields":[]}', '{"extFields":{1:2}}', '{"language":true}', '5'])
    t.throws(() => json(bad), FrameError, bad)
  t.equal(
    writeCommand({ ...json('{}'), fields: { a: undefined, b: 'x' } }).toString('utf8', 8),
    '{"code":0,"extFields":{"b":"x"},"flag":0,"opaque":0,"serializeTypeCurrentRPC":"JSON","version":0}',
  )
})

t.test('what is deep, or has more digits than any number, is read or refused, and costs little', async (t) => {
  t.same(json('{"extFields":{"a":{"b":12345678901234567890}}}').fields, { a: '{"b":12345678901234567890}' })
  t.same(json('{"extFields":{"a":{1:2}}}').fields, { a: '{1:2}' })
  for (const bad of [
    `{"extFields":{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}}`,
    `{"extFields":{"a":${'{"b":'.repeat(10_000)}1${'}'.repeat(10_000)}}}`,
    `{"remark":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
    `{"opaque":${'9'.repeat(500_000)}}`,
  ])
    t.throws(() => json(bad), FrameError, bad.slice(0, 30))
  t.throws(() => read(JSON_HEADER, Buffer.alloc(2 << 20, ' ')), FrameError, 'a header of two megabytes')
  const long = fieldsOf({ offset: optional(int64) })
  t.same(long.read({ offset: '9'.repeat(500_000) }), {})
  t.same(fieldsOf({ queueId: optional(int32) }).read({ queueId: '2147483648' }), {}, 'no 32 bits')
})

t.test('fields are numbers and booleans as Java parses them', async (t) => {
  const type = fieldsOf({ topic: text, queueId: int32, offset: optional(int64), batch: optional(bool) })
  t.same(type.read({ topic: 'x', queueId: '+7', offset: '9223372036854775807', batch: 'TRUE' }), {
    topic: 'x',
    queueId: 7,
    offset: 2 ** 63,
    batch: true,
  })
  t.same(type.read({ queueId: '-7', offset: '1e3', batch: 'yes' }), { queueId: -7, batch: false })
  t.same(type.read({ queueId: '1', offset: '99999999999999999999' }), { queueId: 1 })
  for (const fields of [undefined, {}, { queueId: 'one' }, { queueId: '' }])
    t.match(
      thrown(() => type.read(fields)),
      { javaClass: 'java.lang.NullPointerException' },
    )
  t.same(type.write({ topic: 'x', queueId: 3 }), { topic: 'x', queueId: '3' })
})

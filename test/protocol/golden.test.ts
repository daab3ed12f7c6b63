/** Every frame that RocketMQ's peers exchanged is read as what it is, and written again to the byte. */
import t from 'tap'
import { readCommand, writeCommand } from '#src/protocol/command.js'
import { parseFastjson, writeFastjson } from '#src/protocol/fastjson.js'
import { BINARY_HEADER, FrameReader, JSON_HEADER } from '#src/protocol/frame.js'
import { hashMapOrder } from '../support/hash-map-order.js'
import { conversation, conversationNames, type WireFrame } from '../support/wire.js'

const frames = conversationNames().flatMap((name) => conversation(name).map((frame) => ({ name, frame })))
/** Of those that the recording cut, only the beginning is known. */
const whole = frames.filter(({ frame }) => !frame.cut && frame.hex !== undefined)

function read({ hex }: WireFrame) {
  const reader = new FrameReader()
  reader.push(Buffer.from(hex, 'hex'))
  const frame = reader.next()
  if (frame === undefined) throw new Error('no whole frame')
  return readCommand(frame)
}

t.test('headers and bodies are what the recording says', async (t) => {
  t.ok(whole.length > 3000)
  let wrong = 0
  for (const { name, frame } of whole) {
    const command = read(frame)
    const fields = command.fields ?? {}
    const expected = frame.extFields ?? {}
    const same =
      command.code === frame.code &&
      command.language === (frame.language ?? undefined) &&
      command.version === frame.version &&
      command.opaque === frame.opaque &&
      command.flag === frame.flag &&
      command.remark === (frame.remark ?? undefined) &&
      command.type === (frame.serialize === 'JSON' ? JSON_HEADER : BINARY_HEADER) &&
      command.body.length === frame.bodyLength &&
      Object.keys({ ...fields, ...expected }).every((key) => (fields[key] ?? null) === (expected[key] ?? null))
    if (!same && wrong++ < 5)
      t.fail(`${name} ${frame.n}`, { found: { ...command, body: command.body.length }, frame: { ...frame, hex: '' } })
  }
  t.equal(wrong, 0)
})

t.test('what was read is written again to the byte', async (t) => {
  let wrong = 0
  for (const { name, frame } of whole) {
    const again = writeCommand(read(frame)).toString('hex')
    if (again !== frame.hex && wrong++ < 5)
      t.equal(Buffer.from(again, 'hex').toString('latin1'), Buffer.from(frame.hex, 'hex').toString('latin1'), `${name} ${frame.n}`)
  }
  t.equal(wrong, 0)
})

t.test('Java writes the fields of a JSON header in the order of its hash map', async (t) => {
  let seen = 0
  for (const { name, frame } of whole) {
    if (frame.serialize !== 'JSON' || frame.extFields === null || frame.language !== 'JAVA') continue
    const keys = Object.keys(frame.extFields)
    seen++
    if (hashMapOrder(keys).join() !== keys.join()) t.same(hashMapOrder(keys), keys, `${name} ${frame.n}`)
  }
  t.ok(seen > 1000)
})

t.test(
  'bodies that are JSON are read, the ones with keys that are no text too, and mean the same when they are written again',
  async (t) => {
    let maps = 0
    let seen = 0
    for (const { frame } of whole) {
      const { body } = read(frame)
      if (body[0] !== 0x7b) continue
      const text = body.toString()
      const value = parseFastjson(text)
      if (/[{,]\{?[0-9{]/.test(text)) maps++
      t.same(parseFastjson(writeFastjson(value)), value)
      seen++
    }
    t.ok(seen > 300 && maps > 20, `${seen} bodies, ${maps} of them no ordinary JSON`)
  },
)

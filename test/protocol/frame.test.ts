/** The frame reader: whatever the pieces in which bytes come, the same frames; and bytes that are none are refused as soon as that can be known. */
import t from 'tap'
import { type Command, readCommand, responseTo, writeCommand } from '#src/protocol/command.js'
import { BINARY_HEADER, FrameError, FrameReader, frameHead, JSON_HEADER, MAX_FRAME_BYTES } from '#src/protocol/frame.js'
import { Random, seed } from '../support/random.js'
import { malformed } from '../support/wire.js'

const request = (opaque: number, type: Command['type'] = JSON_HEADER): Command => ({
  type,
  ...{ code: 310, language: 'JAVA', version: 409, opaque, flag: 0, remark: undefined },
  fields: { a: 'group', b: 'orders' },
  body: Buffer.from('one lamp'),
})

function readAll(reader: FrameReader): Command[] {
  const commands: Command[] = []
  for (let frame = reader.next(); frame !== undefined; frame = reader.next()) commands.push(readCommand(frame))
  return commands
}

t.test('cut at every byte, byte by byte, and in pieces of any length', async (t) => {
  const commands = [request(1), request(2, BINARY_HEADER), { ...request(3), body: Buffer.alloc(0) }]
  const bytes = Buffer.concat(commands.map(writeCommand))
  for (let cut = 0; cut <= bytes.length; cut++) {
    const reader = new FrameReader()
    reader.push(bytes.subarray(0, cut))
    const first = readAll(reader)
    reader.push(bytes.subarray(cut))
    t.same([...first, ...readAll(reader)], commands, `cut at ${cut}`)
    t.equal(reader.pendingBytes, 0)
  }
  const random = new Random(seed)
  t.comment(`MILLRACE_SEED=${seed}`)
  for (let round = 0; round < 200; round++) {
    const reader = new FrameReader()
    const read: Command[] = []
    const most = 1 + random.int(round === 0 ? 1 : 60)
    for (let at = 0; at < bytes.length; ) {
      const piece = random.int(most + 1)
      reader.push(bytes.subarray(at, at + piece))
      at += piece
      if (random.int(2) === 0) read.push(...readAll(reader))
    }
    t.same([...read, ...readAll(reader)], commands)
  }
})

t.test('the largest frame is read, and one that says it is larger is refused by its length alone', async (t) => {
  const header = Buffer.from('{}')
  const reader = new FrameReader()
  const body = Buffer.alloc(MAX_FRAME_BYTES - 8 - header.length, 7)
  reader.push(frameHead(JSON_HEADER, header, body.length))
  for (let at = 0; at < body.length; at += 65536) {
    t.equal(reader.next(), undefined)
    reader.push(body.subarray(at, at + 65536))
  }
  t.equal(reader.next()?.body.length, body.length)
  const over = new FrameReader()
  over.push(Buffer.from('00fffffd', 'hex'))
  t.throws(() => over.next(), FrameError)
})

t.test('bytes that come one at a time take as much memory as they are', async (t) => {
  const reader = new FrameReader()
  const body = Buffer.alloc(400_000, 7)
  reader.push(frameHead(JSON_HEADER, Buffer.from('{}'), body.length))
  const before = process.memoryUsage()
  for (let at = 0; at < body.length - 1; at++) reader.push(Buffer.from([7]))
  const after = process.memoryUsage()
  t.ok(after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers < 40 << 20)
  t.equal(reader.next(), undefined)
  reader.push(Buffer.from([7]))
  t.ok(reader.next()?.body.equals(body))
})

t.test('what RocketMQ reads is read, and what makes it close the connection is refused', async (t) => {
  let closed = 0
  for (const { name, to, sent, outcome, replies } of malformed()) {
    if (sent === undefined || to === 'ha' || /silence|FIN|TLS|nothing sent/.test(name)) continue
    const reader = new FrameReader()
    reader.push(Buffer.from(sent, 'hex'))
    if (outcome.startsWith('closed')) {
      closed++
      t.throws(() => readAll(reader), FrameError, `${to}: ${name}`)
      continue
    }
    const commands = readAll(reader)
    t.equal(reader.pendingBytes, 0, `${to}: ${name}`)
    if (/without opaque|header \{\}/.test(name)) t.match(commands, [{ opaque: 0, flag: 0, version: 0 }])
    else if (replies.length > 0) t.equal(commands.at(-1)?.opaque, replies.at(-1)?.opaque, `${to}: ${name}`)
  }
  t.ok(closed > 30)
})

t.test('an answer goes in the form of its request and has its number', async (t) => {
  for (const type of [JSON_HEADER, BINARY_HEADER] as const) {
    const answer = responseTo(request(77, type), { language: 'JAVA', version: 409 }, { fields: { offset: '3' }, remark: 'größer' })
    const reader = new FrameReader()
    reader.push(writeCommand(answer))
    t.match(readAll(reader), [{ type, code: 0, opaque: 77, flag: 1, fields: { offset: '3' }, remark: 'größer' }])
  }
})

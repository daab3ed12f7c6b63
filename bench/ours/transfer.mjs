// Sends what is in the log over TCP to another process (`limit receive`): what=range (so many bytes of the log) | page (a head and 32 records of one queue, which
// lie together) | scattered (a head and 32 records of one of four queues that take turns); way=chosen|sendfile|writev. The page is pulled for each answer.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { message, options, QUEUES, TOPIC } from '../workload.mjs'
import { openStore } from './open.mjs'

const { TransferTarget } = await import('../../dist/index.js')
const { what, way, bytes, piece = 65536, window = 16 } = options
const queues = what === 'page' ? 1 : QUEUES
const store = await openStore()
const count = Math.ceil(options.file / 1129)
for (let i = 0; i < count; i += 1000)
  await store.appendBatch(Array.from({ length: 1000 }, (_, j) => ({ ...message(i + j), queueId: (i + j) % queues })))

const head = Buffer.alloc(100, 1)
const end = store.maxLogOffset
let at = 0
let queueId = 0
const offsets = new Array(queues).fill(0)
const ranges = () => {
  if (at + piece > end) at = 0
  at += piece
  return { ranges: new Float64Array([at - piece, piece]) }
}
const pages = async () => {
  queueId = (queueId + 1) % queues
  const page = await store.pullRanges({ topic: TOPIC, queueId, offset: offsets[queueId], maxMessages: 32 })
  offsets[queueId] = page.nextOffset + 32 > page.maxOffset ? 0 : page.nextOffset
  return { head, ranges: page }
}
const next = what === 'range' ? ranges : pages
// The first touch of the log by this process is not what is measured.
for (let from = 0; from < end; from += 1 << 20) await store.commitLog.range(from, 1 << 20)

const server = createServer({ noDelay: true }).listen(0, '127.0.0.1')
await once(server, 'listening')
const receiver = spawn(options.limit, ['receive', `port=${server.address().port}`], { stdio: 'inherit' })
const [socket] = await once(server, 'connection')
socket.resume()
const target = TransferTarget.of(socket)
const waiting = []
let sent = 0
let answers = 0
const cpu = process.cpuUsage()
const started = process.hrtime.bigint()
while (sent < bytes) {
  waiting.push(store.transfer(target, { ...(await next()), way }))
  if (waiting.length < window) continue
  sent += await waiting.shift()
  answers++
}
for (const last of waiting) {
  sent += await last
  answers++
}
socket.end()
await once(socket, 'end') // the receiver has read all and closes
const seconds = Number(process.hrtime.bigint() - started) / 1e9
const { user, system } = process.cpuUsage(cpu)
console.log(
  JSON.stringify({
    count: answers,
    rate: answers / seconds,
    bytesPerSecond: sent / seconds,
    cpuMicroseconds: (user + system) / answers,
    seconds,
  }),
)
await once(receiver, 'exit')
server.close()
await store.close()

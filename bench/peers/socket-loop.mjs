// The bare loop that a broker in Node is held against: sockets of node:net, headers by JSON.parse, and to each send the bytes that a broker answers, with nothing
// stored. Also the name server that a client asks for the way.
//   port=  namesrv=
import { createServer } from 'node:net'
import { options } from '../workload.mjs'

const HEAD = 8
const COMMON = '"language":"JAVA"'
const NONE = Buffer.alloc(0)
const [SEND, SEND_BATCH, GET_ROUTE, ONEWAY] = [310, 320, 105, 2]
const ID_START = Buffer.from([127, 0, 0, 1, 0, 0, options.port >> 8, options.port & 255])
  .toString('hex')
  .toUpperCase()
const ROUTE = JSON.stringify({
  brokerDatas: [{ brokerAddrs: { 0: `127.0.0.1:${options.port}` }, brokerName: 'broker-a', cluster: 'DefaultCluster' }],
  filterServerTable: {},
  queueDatas: [{ brokerName: 'broker-a', perm: 6, readQueueNums: 4, topicSysFlag: 0, writeQueueNums: 4 }],
})

let logOffset = 0
const queueOffsets = new Map()

function messageId(bytes) {
  const id = ID_START + logOffset.toString(16).toUpperCase().padStart(16, '0')
  logOffset += bytes
  return id
}

function batchIds(body) {
  const ids = []
  for (let at = 0; at < body.length; at += body.readInt32BE(at)) ids.push(messageId(body.readInt32BE(at)))
  return ids
}

function frame(header, body = '') {
  const [headerBytes, bodyBytes] = [Buffer.byteLength(header), Buffer.byteLength(body)]
  const bytes = Buffer.allocUnsafe(HEAD + headerBytes + bodyBytes)
  bytes.writeInt32BE(4 + headerBytes + bodyBytes, 0)
  bytes.writeInt32BE(headerBytes, 4)
  bytes.write(header, HEAD, 'latin1')
  bytes.write(body, HEAD + headerBytes)
  return bytes
}

function answer({ code, opaque, flag, extFields }, body) {
  if (flag & ONEWAY) return undefined
  const rest = `"flag":1,${COMMON},"opaque":${opaque},"serializeTypeCurrentRPC":"JSON","version":409}`
  if (code === GET_ROUTE) return frame(`{"code":0,${rest}`, ROUTE)
  if (code !== SEND && code !== SEND_BATCH) return frame(`{"code":0,${rest}`)
  const { b: topic, e: queueId } = extFields
  const ids = code === SEND ? [messageId(body.length)] : batchIds(body)
  const queue = `${topic} ${queueId}`
  const queueOffset = queueOffsets.get(queue) ?? 0
  queueOffsets.set(queue, queueOffset + ids.length)
  const fields = `"queueId":"${queueId}","TRACE_ON":"true","MSG_REGION":"DefaultRegion","msgId":"${ids.join()}","queueOffset":"${queueOffset}"`
  return frame(`{"code":0,"extFields":{${fields}},${rest}`)
}

function serve(socket) {
  let rest = NONE
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk) => {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk
    const answers = []
    let at = 0
    while (bytes.length - at >= HEAD) {
      const end = at + 4 + bytes.readInt32BE(at)
      if (end > bytes.length) break
      const bodyAt = at + HEAD + (bytes.readInt32BE(at + 4) & 0xffffff)
      const made = answer(JSON.parse(bytes.toString('utf8', at + HEAD, bodyAt)), bytes.subarray(bodyAt, end))
      if (made) answers.push(made)
      at = end
    }
    rest = bytes.subarray(at)
    if (answers.length > 0) socket.write(answers.length === 1 ? answers[0] : Buffer.concat(answers))
  })
}

for (const port of [options.port, options.namesrv]) createServer({ noDelay: true }, serve).listen(port, '127.0.0.1')

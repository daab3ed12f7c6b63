/** A server of the remoting protocol and those who mean it ill: each costs its own connection, and the others nothing. */
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { writeCommand } from '#src/protocol/command.js'
import { FieldError } from '#src/protocol/fields.js'
import { BINARY_HEADER, JSON_HEADER } from '#src/protocol/frame.js'
import type { Connection, OnRead } from '#src/remoting/connection.js'
import { type Handler, RemotingServer, type RemotingServerOptions } from '#src/remoting/remoting-server.js'
import { Random, seed } from '../support/random.js'
import { RemotingPeer } from '../support/remoting.js'
import { conversation, malformed, type WireFrame } from '../support/wire.js'

t.setTimeout(60_000)

const ECHO = 1000
const LATER = 1001
const BROKEN = 1002
const MISSING = 1003
const LARGE = 1004
const LARGE_BYTES = 1 << 20
const LONG = 1005
const LONG_LATER = 1006
const COMPLAINING = 1007
const LONG_TEXT = 'x'.repeat(17 << 20)

async function listening(t: Test, options: Partial<RemotingServerOptions> = {}) {
  const troubles: { reason: string; code?: number }[] = []
  const handlers = new Map<number, Handler>([
    [ECHO, ({ fields, body }) => ({ ...(fields && { fields }), body })],
    [LATER, ({ body }) => sleep(20, { remark: 'later', body })],
    [
      BROKEN,
      () => {
        throw new TypeError('no such thing')
      },
    ],
    [MISSING, () => Promise.reject(new FieldError('java.lang.NullPointerException', 'queueId'))],
    [LARGE, () => ({ body: Buffer.alloc(LARGE_BYTES) })],
    [LONG, () => ({ remark: LONG_TEXT })],
    [LONG_LATER, () => sleep(1, { remark: LONG_TEXT })],
    [COMPLAINING, () => Promise.reject(new Error(LONG_TEXT))],
  ])
  const server = await RemotingServer.listen({
    host: '127.0.0.1',
    port: 0,
    handlers,
    onTrouble: (trouble) => troubles.push(trouble),
    ...options,
  })
  t.teardown(() => server.close())
  const address = `127.0.0.1:${server.port}`
  const peer = async () => {
    const connected = await RemotingPeer.connect(address)
    t.teardown(() => connected.close())
    return connected
  }
  return { server, peer, troubles, port: server.port }
}

t.test('requests are answered in their own form, out of order where one takes longer, and a oneway one not at all', async (t) => {
  const { server, peer } = await listening(t)
  const one = await peer()
  for (const type of [JSON_HEADER, BINARY_HEADER] as const) {
    one.type = type
    const later = one.send({ code: LATER, body: Buffer.from('slow') })
    t.match(await one.send({ code: ECHO, fields: { a: 'größe' }, body: Buffer.from('x') }), {
      type,
      code: 0,
      flag: 1,
      fields: { a: 'größe' },
      version: 409,
    })
    t.match(await later, { remark: 'later', body: Buffer.from('slow') })
    void one.send({ code: ECHO, flag: 2 })
    void one.send({ code: 999, flag: 2 })
    t.match(await one.send({ code: 999 }), { code: 3, remark: ' request type 999 not supported' })
    t.match(await one.send({ code: BROKEN }), { code: 1, remark: 'TypeError: no such thing' })
    t.match(await one.send({ code: MISSING }), { code: 1, remark: 'java.lang.NullPointerException: queueId' })
    t.same(one.pushed, [])
  }
  t.match(server.statistics, { connections: 1, requests: 14, closed: 0 })
})

t.test('what RocketMQ closes a connection for closes it here, and no other', async (t) => {
  const { peer, troubles, port, server } = await listening(t)
  const good = await peer()
  let closed = 0
  for (const { name, to, sent, outcome } of malformed()) {
    if (to !== 'broker' || sent === undefined || !outcome.startsWith('closed') || /silence|FIN|TLS|nothing sent/.test(name)) continue
    const socket = connect({ port, host: '127.0.0.1' })
    socket.on('error', () => {})
    socket.resume()
    socket.write(Buffer.from(sent, 'hex'))
    await new Promise((resolve) => socket.once('close', resolve))
    closed++
    t.match(await good.send({ code: ECHO, body: Buffer.from(name) }), { body: Buffer.from(name) })
  }
  t.ok(closed > 15)
  t.equal(server.statistics.closed, closed)
  t.equal(troubles.length, closed)
  t.equal(server.statistics.connections, 1)
})

t.test('frames that are twisted anywhere cost their connection at most', async (t) => {
  const { peer, port } = await listening(t)
  const good = await peer()
  const random = new Random(seed)
  t.comment(`MILLRACE_SEED=${seed}`)
  const recorded = ['send', 'binary-header', 'register-broker'].flatMap((name) => conversation(name).filter(({ cut }) => !cut))
  for (let round = 0; round < 300; round++) {
    const bytes = Buffer.from((recorded[random.int(recorded.length)] as WireFrame).hex, 'hex')
    const known = random.int(3)
    for (let flips = random.int(6); flips >= 0; flips--)
      bytes[(known === 0 ? 0 : 8) + random.int(Math.min(bytes.length - 8, 200))]! ^= 1 << random.int(8)
    const socket = connect({ port, host: '127.0.0.1' })
    socket.on('error', () => {})
    socket.resume()
    socket.end(bytes)
    await new Promise((resolve) => socket.once('close', resolve))
    if (round % 20 === 0) t.match(await good.send({ code: ECHO, body: Buffer.from(`${round}`) }), { body: Buffer.from(`${round}`) })
  }
  t.match(await good.send({ code: LONG }), { code: 1, remark: /header/ }, 'an answer that fits no frame')
  t.match(await good.send({ code: LONG_LATER }), { code: 1, remark: /header/ })
  t.equal((await good.send({ code: COMPLAINING })).remark?.length, 4096, 'an error’s text is cut')
})

t.test('close answers what it has begun to answer', async (t) => {
  const { server, peer } = await listening(t)
  const one = await peer()
  const later = one.send({ code: LATER, body: Buffer.from('x') })
  await one.send({ code: ECHO })
  await server.close()
  t.match(await later, { remark: 'later' })
  await one.closed()
})

t.test('a socket is in the hands of one reader at a time, and of none once it ends', async (t) => {
  const told: string[] = []
  let connection: Connection | undefined
  let onRead: OnRead | undefined
  const { peer } = await listening(t, {
    handlers: new Map<number, Handler>([
      [
        ECHO,
        (_, from) => {
          connection = from
          from.wantReader()
          return { remark: 'echo' }
        },
      ],
    ]),
    readBy: (_descriptor, begun, _connection, read) => {
      told.push(`given ${begun.length}`)
      onRead = read
      const note = (what: string) => () => void told.push(what)
      return {
        pause: note('pause'),
        resume: note('resume'),
        handOver: note('handed over'),
        giveBack: note('given back'),
        quietMs: 0,
        close: note('closed'),
      }
    },
  })
  const one = await peer()
  await one.send({ code: ECHO })
  t.same(told.splice(0), ['given 0'], 'when the answer is out')
  const frame = writeCommand({
    ...{ code: ECHO, opaque: 7, flag: 0, language: 'JAVA', version: 1, remark: undefined, fields: undefined, type: JSON_HEADER },
    body: Buffer.alloc(0),
  })
  onRead?.(frame.subarray(0, 9), undefined, undefined, undefined)
  t.same(told.splice(0), ['given back'])
  onRead?.(frame, undefined, undefined, undefined)
  await sleep(20)
  t.same(told.splice(0), ['given back'], 'not before the answer is out')
  t.match(one.pushed, [{ opaque: 7, remark: 'echo' }])
  connection?.end()
  t.same(told.splice(0), ['handed over'])
  onRead?.(frame, undefined, undefined, undefined)
  await one.closed()
  while (told.length === 0) await sleep(1)
  t.same(told, ['closed'], 'never again')
})

t.test('half frames without end, silence, and a reader that does not read are bounded', async (t) => {
  const { peer, server, port } = await listening(t, { idleMs: 300, maxPendingBytes: 1 << 20 })
  const half = writeCommand({
    ...{ code: ECHO, language: 'JAVA', version: 409, opaque: 1, flag: 0, remark: undefined, fields: undefined },
    body: Buffer.alloc(4 << 20),
    type: JSON_HEADER,
  })
  const hoarder = connect({ port, host: '127.0.0.1' })
  hoarder.on('error', () => {})
  hoarder.write(half.subarray(0, 3 << 20))
  await new Promise((resolve) => hoarder.once('close', resolve))
  const silent = await peer()
  await silent.closed()

  const deaf = connect({ port, host: '127.0.0.1' })
  deaf.on('error', () => {})
  deaf.pause()
  const ask = writeCommand({
    ...{ code: LARGE, language: 'JAVA', version: 409, opaque: 1, flag: 0, remark: undefined, fields: undefined },
    body: Buffer.alloc(0),
    type: JSON_HEADER,
  })
  const before = process.memoryUsage().arrayBuffers
  for (let i = 0; i < 2000; i++) {
    deaf.write(ask)
    if (i % 20 === 0) await sleep(1)
  }
  const good = await peer()
  t.match(await good.send({ code: ECHO }), { code: 0 })
  t.ok(process.memoryUsage().arrayBuffers - before < 200 << 20, 'not all of two gigabytes wait for it')
  for (let i = 0; i < 100 && server.statistics.connections > 1; i++) await sleep(20)
  t.ok(server.statistics.connections <= 1, 'it was given up')
  deaf.destroy()
})

t.test('an answer to who has gone is nobody’s, and what goes wrong is told whatever it is', async (t) => {
  const strange = new Map<number, Handler>([
    [
      1,
      () => {
        throw 'no error at all'
      },
    ],
    [2, () => undefined],
    [
      3,
      async (_, connection) => {
        await sleep(50)
        connection.close('enough')
        connection.close('again')
        return { remark: 'too late' }
      },
    ],
  ])
  const { peer, troubles, server } = await listening(t, { handlers: strange })
  const [one, two] = [await peer(), await peer()]
  t.match(await one.send({ code: 1 }), { code: 1, remark: 'Error: no error at all' })
  void one.send({ code: 2 })
  await t.rejects(two.send({ code: 3 }))
  void one.send({ code: 3 })
  await sleep(10)
  one.close()
  await sleep(80)
  t.match(server.statistics, { connections: 0, closed: 1 })
  t.same(
    troubles.map(({ reason }) => reason),
    ['Error: no error at all', 'enough'],
  )
})

t.test('a port that is taken is told, and close ends what there is', async (t) => {
  const { server, peer, port } = await listening(t)
  await t.rejects(RemotingServer.listen({ host: '127.0.0.1', port, handlers: new Map() }), { code: 'EADDRINUSE' })
  const one = await peer()
  t.match(await one.send({ code: ECHO }), { code: 0 })
  one.socket.pause() // it has asked for more than fits, and reads none of it
  for (let i = 0; i < 12; i++) void one.send({ code: LARGE })
  const two = await peer()
  t.match(await two.send({ code: ECHO }), { code: 0 })
  await server.close()
  await two.closed()
})

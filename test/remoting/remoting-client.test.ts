/** Asking servers: answers, and every reason why there is none. */
import { createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { ResponseCode } from '#src/protocol/response-code.js'
import { RemotingClient } from '#src/remoting/remoting-client.js'
import { type Handler, LaterAnswer, RemotingServer } from '#src/remoting/remoting-server.js'

async function serving(t: Test, handlers: Record<number, Handler>) {
  const server = await RemotingServer.listen({
    host: '127.0.0.1',
    port: 0,
    handlers: new Map(Object.entries(handlers).map(([code, handler]) => [Number(code), handler])),
  })
  t.teardown(() => server.close())
  return `127.0.0.1:${server.port}`
}

function client(t: Test, options = {}) {
  const made = new RemotingClient(options)
  t.teardown(() => made.close())
  return made
}

t.test('many questions on one connection, answered in any order; oneway', async (t) => {
  const later: LaterAnswer[] = []
  let told = 0
  const address = await serving(t, {
    1: ({ fields }) => ({ fields: { echo: fields?.n } }),
    2: () => {
      const answer = new LaterAnswer()
      later.push(answer)
      return answer
    },
    3: () => {
      told++
      return {}
    },
    4: () => ({ body: Buffer.alloc(17 << 20) }),
  })
  const one = client(t)
  const slow = one.ask(address, { code: 2 }, 5000)
  const answers = await Promise.all([1, 2, 3].map((n) => one.ask(address, { code: 1, fields: { n: String(n) } }, 5000)))
  t.same(
    answers.map(({ fields }) => fields?.echo),
    ['1', '2', '3'],
  )
  await one.tell(address, { code: 3 })
  later[0]?.settle({ remark: 'late' })
  later[0]?.settle({ remark: 'twice' })
  t.match(await slow, { remark: 'late' })
  t.match(await one.ask(address, { code: 9 }, 5000), { code: ResponseCode.REQUEST_CODE_NOT_SUPPORTED })
  t.equal(told, 1)
  t.match(
    await one.ask(address, { code: 4 }, 5000),
    { code: 1, remark: /^FrameError: a frame with a header/ },
    'an answer that fits no frame',
  )
})

t.test('no answer: nobody there, no address, too late, the connection gone, the client closed', async (t) => {
  const address = await serving(t, { 1: () => undefined, 2: (_, connection) => void connection.close('enough') })
  const one = client(t)
  await t.rejects(one.ask('127.0.0.1:1', { code: 1 }, 5000), { message: /ECONNREFUSED/ })
  for (const wrong of ['nowhere', ':1', '127.0.0.1:x', '127.0.0.1:70000'])
    await t.rejects(one.ask(wrong, { code: 1 }, 5000), { message: `${wrong} is no address: host:port is needed` })
  await t.rejects(one.ask(address, { code: 1 }, 20), { message: `${address} has not answered in 20 ms` })
  await t.rejects(one.ask(address, { code: 2 }, 5000), { message: `the connection to ${address} has ended` })
  const open = one.ask(address, { code: 1 }, 5000)
  await one.tell(address, { code: 1 })
  await Promise.all([t.rejects(open, { message: 'the client was closed' }), one.close()])
  await t.rejects(one.ask(address, { code: 1 }, 20), { message: 'the client was closed' })
  await t.rejects(one.tell(address, { code: 1 }), { message: 'the client was closed' })
})

t.test('a connection that ended is made again, one that is silent is closed, one that is not taken is given up', async (t) => {
  const sockets: Socket[] = []
  const server = createServer((socket) => void sockets.push(socket.on('error', () => {})))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const address = `127.0.0.1:${(server.address() as { port: number }).port}`
  const one = client(t, { idleMs: 30 })
  await t.rejects(one.ask(address, { code: 1 }, 5000), { message: /has ended: idle for 30 ms/ })
  await t.rejects(one.ask(address, { code: 1 }, 5000), { message: /idle/ })
  t.equal(sockets.length, 2)
  const impatient = client(t, { connectTimeoutMs: 1 })
  await t.rejects(impatient.ask('192.0.2.1:1', { code: 1 }, 5000))
})

/** Pages on their way to sockets: what arrives is head and records, in order, whoever writes beside. */
import { closeSync, openSync, readFileSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { MessageStore, TransferTarget, type TransferWay } from '#src/index.js'
import { newDirectory, numbered, openNew, refusal } from './stores.js'

t.setTimeout(60_000)

const WAYS: TransferWay[] = ['chosen', 'sendfile', 'writev']

/** Two ends of a TCP connection, the second not reading until told. */
async function connected(t: Test): Promise<{ ours: Socket; theirs: Socket }> {
  const server: Server = createServer({ pauseOnConnect: true })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address() as { port: number }
  const theirs = connect({ port, host: '127.0.0.1' })
  theirs.pause()
  const [ours] = await Promise.all([
    new Promise<Socket>((resolve) => server.once('connection', resolve)),
    new Promise((resolve) => theirs.once('connect', resolve)),
  ])
  for (const socket of [ours, theirs]) socket.on('error', () => {})
  t.teardown(() => {
    for (const end of [ours, theirs, server]) end instanceof Object && 'destroy' in end ? end.destroy() : end.close()
  })
  return { ours, theirs }
}

async function read(socket: Socket, bytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let got = 0
  socket.resume()
  while (got < bytes) {
    const chunk =
      (socket.read() as Buffer | null) ??
      (await new Promise<Buffer | null>((resolve) => {
        socket.once('data', resolve)
        socket.once('end', () => resolve(null))
        socket.once('close', () => resolve(null))
      }))
    if (chunk === null) break
    chunks.push(chunk)
    got += chunk.length
  }
  return Buffer.concat(chunks)
}

async function filled(t: Test): Promise<MessageStore> {
  const store = await openNew(t, { settings: { mappedFileSizeCommitLog: 1 << 20 } })
  const messages = Array.from({ length: 2000 }, (_, i) => ({ topic: 'orders', queueId: i % 4, body: Buffer.alloc(1000, i) }))
  await store.appendBatch(messages)
  return store
}

const page = (store: MessageStore, queueId: number, offset = 0) => store.pullRanges({ topic: 'orders', queueId, offset, maxMessages: 32 })
const raw = async (store: MessageStore, queueId: number, offset = 0) =>
  (await store.pullRaw({ topic: 'orders', queueId, offset, maxMessages: 32 })).bytes

t.test('head and records arrive in order, by whichever way', async (t) => {
  const store = await filled(t)
  for (const way of WAYS) {
    const { ours, theirs } = await connected(t)
    const target = TransferTarget.of(ours)
    t.equal(TransferTarget.of(ours), target, 'one target for a socket')
    const head = Buffer.from('<head>')
    const sent = await store.transfer(target, { head, ranges: await page(store, 1), way })
    const records = await raw(store, 1)
    t.equal(sent, head.length + records.length)
    t.ok((await read(theirs, sent)).equals(Buffer.concat([head, records])))
  }
})

t.test('many answers at once to a slow reader, what the program writes between them, and its end', async (t) => {
  const store = await filled(t)
  for (const way of WAYS) {
    const { ours, theirs } = await connected(t)
    const target = TransferTarget.of(ours)
    const expected: Buffer[] = []
    const sent: Promise<number>[] = []
    ours.write('written first;')
    expected.push(Buffer.from('written first;'))
    for (let i = 0; i < 300; i++) {
      const head = Buffer.from(`<answer ${i}>`)
      sent.push(store.transfer(target, { head, ranges: await page(store, i % 4, i), way }))
      expected.push(head, await raw(store, i % 4, i))
    }
    sent.push(target.write(Buffer.from('last')))
    expected.push(Buffer.from('last'))
    t.equal(target.idle, false, 'the reader has not begun')
    ours.write('written meanwhile;')
    ours.end('the end')
    expected.push(Buffer.from('written meanwhile;the end'))
    const whole = Buffer.concat(expected)
    const got = read(theirs, whole.length + 1)
    await Promise.all(sent)
    t.ok((await got).equals(whole), way)
    t.equal(target.idle, true)
  }
})

t.test('a program that goes on writing to the socket: never a byte of it within an answer', async (t) => {
  const store = await filled(t)
  const { ours, theirs } = await connected(t)
  const written = Buffer.alloc(3 << 20, 'z')
  let writes = 0
  const write = () => {
    if (writes++ < 8) ours.write(written, write)
  }
  const head = Buffer.from('<head>')
  const target = TransferTarget.of(ours)
  const pages = [await page(store, 0), await page(store, 1)]
  // The second is behind the first when that is out, and so on, all the time.
  write()
  write()
  const sent = pages.map((ranges) => store.transfer(target, { head, ranges, way: 'writev' }))
  head.fill('!')
  const answer = Buffer.concat([Buffer.from('<head>'), await raw(store, 0), Buffer.from('<head>'), await raw(store, 1)])
  const got = await read(theirs, 8 * written.length + answer.length)
  await Promise.all(sent)
  const at = got.indexOf('<head>')
  t.ok(at >= 0 && got.subarray(at, at + answer.length).equals(answer), 'the answers as they are')
  t.ok(
    Buffer.concat([got.subarray(0, at), got.subarray(at + answer.length)]).every((byte) => byte === 122),
    'and what was written around them',
  )
})

t.test('a file takes ranges too, over segments', async (t) => {
  const store = await filled(t)
  const path = join(t.testdir({}), 'out')
  for (const way of WAYS) {
    const fd = openSync(path, 'w')
    const target = TransferTarget.ofDescriptor(fd)
    const whole = new Float64Array([0, store.maxLogOffset])
    t.equal(await store.transfer(target, { ranges: whole, way }), store.maxLogOffset)
    t.equal(await store.transfer(target, {}), 0, 'nothing is soon sent')
    target.close()
    closeSync(fd)
    const log = await store.commitLog.range(0, 1 << 20)
    t.ok(readFileSync(path).subarray(0, log.length).equals(log))
    await refusal(() => store.transfer(target, { head: Buffer.from('x') }))
  }
})

t.test('a connection that ends in the middle of an answer: all that waits is refused, and the socket is gone', async (t) => {
  const store = await filled(t)
  for (const how of ['reset', 'destroy', 'close'] as const) {
    const { ours, theirs } = await connected(t)
    const target = TransferTarget.of(ours)
    const sent = Array.from({ length: 200 }, async () => store.transfer(target, { ranges: await page(store, 0) }))
    await sleep(20)
    t.equal(target.idle, false)
    if (how === 'reset') theirs.resetAndDestroy()
    else if (how === 'destroy') ours.destroy()
    else target.close()
    const ends = await Promise.allSettled(sent)
    t.ok(ends.some(({ status }) => status === 'rejected'))
    for (const end of ends) if (end.status === 'rejected') t.match(end.reason, { code: 'TRANSFER_FAILED' })
    t.equal(ours.destroyed, true, 'nobody may write behind half an answer')
    t.match(await refusal(() => target.write(Buffer.from('x'))), { code: 'TRANSFER_FAILED' })
  }
})

t.test('a reader that takes nothing is given up', async (t) => {
  const store = await filled(t)
  const { ours } = await connected(t)
  const target = TransferTarget.of(ours, { stallTimeoutMs: 50 })
  const sent = Array.from({ length: 200 }, async () => store.transfer(target, { ranges: await page(store, 0) }))
  const ends = await Promise.allSettled(sent)
  t.match(ends.at(-1), { status: 'rejected', reason: { code: 'TRANSFER_FAILED', message: /taken nothing/ } })
  t.equal(ours.destroyed, true)
})

t.test('ranges that are not there are refused, and what comes after them goes out', async (t) => {
  const store = await filled(t)
  const { ours, theirs } = await connected(t)
  const target = TransferTarget.of(ours)
  await store.flush()
  const old = await page(store, 0)
  t.equal(await store.deleteBelow(1 << 20), 1)
  t.match(await refusal(() => store.transfer(target, { head: Buffer.from('never'), ranges: old })), {
    code: 'RANGE_GONE',
    logOffset: 1 << 20,
  })
  await store.transfer(target, { head: Buffer.from('fine') })
  t.equal((await read(theirs, 4)).toString(), 'fine')
})

t.test('records that are not in memory are read first, in order with what is', async (t) => {
  const directory = newDirectory(t)
  const writer = await MessageStore.open(directory)
  await writer.appendBatch(numbered(100))
  await writer.close()
  const store = await MessageStore.open(directory, { readOnly: true })
  t.teardown(() => store.close())
  const { ours, theirs } = await connected(t)
  const target = TransferTarget.of(ours)
  const ranges = new Float64Array([0, store.maxLogOffset])
  const all = await store.commitLog.range(0, store.maxLogOffset)
  const sent = await Promise.all([store.transfer(target, { ranges }), target.write(Buffer.from('behind'))])
  t.same(sent, [all.length, 6])
  t.ok((await read(theirs, all.length + 6)).equals(Buffer.concat([all, Buffer.from('behind')])))
})

t.test('calls that make no sense are told what is allowed', async (t) => {
  const store = await filled(t)
  const { ours } = await connected(t)
  const target = TransferTarget.of(ours)
  const bad: unknown[] = [
    { head: 'text' },
    { ranges: [0, 1] },
    { ranges: new Float64Array(3) },
    { ranges: new Float64Array([0.5, 1]) },
    { ranges: new Float64Array([-1, 1]) },
    { ranges: {} },
    { way: 'mail' },
    null,
  ]
  for (const what of bad) t.match(await refusal(() => store.transfer(target, what as object)), { code: 'INVALID_ARGUMENT' })
  t.match(await refusal(() => store.transfer({} as TransferTarget, {})), { code: 'INVALID_ARGUMENT', what: 'target' })
  t.match(await refusal(() => target.write('text' as unknown as Uint8Array)), { code: 'INVALID_ARGUMENT', what: 'bytes' })
  for (const socket of [new PassThrough(), new TLSSocket(ours), undefined])
    t.match(await refusal(() => TransferTarget.of(socket as Socket)), { code: 'INVALID_ARGUMENT', what: 'socket' })
  const { ours: gone } = await connected(t)
  gone.destroy()
  t.match(await refusal(() => TransferTarget.of(gone)), { code: 'INVALID_ARGUMENT' })
  t.match(await refusal(() => TransferTarget.ofDescriptor(-1)), { code: 'INVALID_ARGUMENT', what: 'fd' })
  t.match(await refusal(() => TransferTarget.ofDescriptor(123456)), { code: 'IO_ERROR' })
  t.match(await refusal(() => TransferTarget.ofDescriptor(1, { stallTimeoutMs: -1 })), { code: 'INVALID_ARGUMENT', what: 'stallTimeoutMs' })
  await store.close()
  t.match(await refusal(() => store.transfer(target, {})), { code: 'STORE_NOT_OPEN' })
})

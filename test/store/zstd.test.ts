import { spawnSync } from 'node:child_process'
import type { Worker } from 'node:worker_threads'
import t from 'tap'
import { plainBody } from '#src/store/plain-body.js'
import { refusal } from './stores.js'

const threads: Worker[] = []
process.on('worker', (worker) => threads.push(worker))

const body = (stream: Uint8Array) => plainBody({ body: Buffer.from(stream), sysFlag: 0x201, logOffset: 4711 })

const HEADER_BYTES = 6
const CHECKSUM_BYTES = 4

/** A frame of blocks that each say one byte 128 KiB times: four bytes of stream for each. */
function longFrame(blocks: number): Buffer {
  const stream = Buffer.alloc(HEADER_BYTES + 4 * blocks)
  stream.set([0x28, 0xb5, 0x2f, 0xfd, 0, 0x58])
  for (let i = 0; i < blocks; i++) {
    const last = i === blocks - 1 ? 1 : 0
    stream.writeUIntLE((0x20000 << 3) | 2 | last, HEADER_BYTES + 4 * i, 3)
    stream[HEADER_BYTES + 4 * i + 3] = 7
  }
  return stream
}

/** As zstd itself writes it to a pipe: no length in front, a checksum behind. */
const text = 'To be, or not to be, that is the question: whether tis nobler in the mind to suffer the slings and arrows, or to be. '.repeat(
  3,
)
const stream = Buffer.from(
  'KLUv/QRozQIA8kUREqC7AUCiVlMXSUSA613+Yv9NDQ+rB/x0l9wkOaNUixfPcXztm1Qs1RdX0Tyr/mJqTO8iVTWja8fUZ/Umqfut+dUDLNcRBQBnPCg+hmFsntpRrQxs1gFGCkbs',
  'base64',
)

t.test('a large body does not block the loop: it turns while the body is made', async (t) => {
  let turns = 0
  let done = false
  const turn = (): void => {
    if (done) return
    turns++
    setImmediate(turn)
  }
  setImmediate(turn)
  const plain = await body(longFrame(128))
  done = true
  t.ok(turns > 0, `${turns} turns`)
  t.equal(plain.length, 16 << 20)
  t.ok(plain.subarray(-4096).every((byte) => byte === 7))
})

t.test('bodies at the same time come each to its own, good and bad, from one thread', async (t) => {
  const bodies = [longFrame(1), stream, Buffer.from('no such stream'), longFrame(3), stream.subarray(0, 50), stream]
  const ends = await Promise.all(bodies.map((one) => body(one).catch((error) => error.code)))
  t.same(
    ends.map((end) => (typeof end === 'string' ? end : end.length)),
    [128 << 10, text.length, 'BODY_CORRUPT', 3 * (128 << 10), 'BODY_CORRUPT', text.length],
  )
  t.equal(`${ends[1]}`, text)
  t.equal(threads.length, 1)
})

t.test('a stream is refused wherever it is cut', async (t) => {
  const taken: number[] = []
  for (const whole of [stream.subarray(0, -CHECKSUM_BYTES), longFrame(3)])
    for (let length = 0; length < whole.length; length++) {
      const end = await body(whole.subarray(0, length)).catch((error) => error.code)
      if (end !== 'BODY_CORRUPT') taken.push(length)
    }
  t.same(taken, [])
})

t.test('a stream is left as it was, and so is what lies around it', async (t) => {
  const page = Buffer.alloc(stream.length + 20, 1)
  page.set(stream, 10)
  const before = Buffer.from(page)
  t.equal(`${await plainBody({ body: page.subarray(10, -10), sysFlag: 0x201, logOffset: 0 })}`, text)
  t.same(page, before)
})

t.test('where the thread ends in the middle of a body that body is no worse for it, and the next gets another thread', async (t) => {
  const lost = refusal(() => body(longFrame(128)))
  await threads.at(-1)?.terminate()
  t.match(await lost, { code: 'UNSUPPORTED_COMPRESSION', message: /thread/ })
  t.equal(`${await body(stream)}`, text)
  t.equal(threads.length, 2)
})

/** Runs a module of this text, which knows plainBody, under these options of Node's. `env` keeps away what a test's runner hands down. */
function run(options: readonly string[], program: string): { end: number | null; said: string } {
  const library = JSON.stringify(import.meta.resolve('#src/store/plain-body.js'))
  const module = `const { plainBody } = await import(${library}); const body = Buffer.from('${stream.toString('base64')}', 'base64'); ${program}`
  const args = ['-i', process.execPath, ...options, '--input-type=module', '-e', module]
  const { status, stdout, stderr } = spawnSync('env', args, { encoding: 'utf8', timeout: 60_000 })
  return { end: status, said: `${stdout}${stderr}` }
}

t.test('the thread keeps a process alive that waits for a body, and no other', async (t) => {
  t.same(run([], `plainBody({ body, sysFlag: 0x201, logOffset: 0 }).then((plain) => console.log(plain.length))`), {
    end: 0,
    said: `${text.length}\n`,
  })
})

t.test('a process that may start no thread is told so, not that the body is bad', async (t) => {
  const permission = process.allowedNodeEnvironmentFlags.has('--permission') ? '--permission' : '--experimental-permission'
  const { end, said } = run(
    ['--no-warnings', permission, '--allow-fs-read=*'],
    `plainBody({ body, sysFlag: 0x201, logOffset: 0 }).catch((error) => console.log(error.code, error.cause.code))`,
  )
  t.equal(said, 'UNSUPPORTED_COMPRESSION ERR_ACCESS_DENIED\n')
  t.equal(end, 0)
})

/** The store in a process that ends, blocks or misuses it. */
import { execFileSync, spawn } from 'node:child_process'
import { closeSync, openSync, writeSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { bodiesOf, newDirectory, numbered, openAt, openNew } from './stores.js'

t.setTimeout(120_000)

/** Runs one of the programs here: its exit code or signal, and what it said. */
async function run(program: string, ...args: string[]): Promise<{ end: number | string; said: string }> {
  const child = spawn(process.execPath, [fileURLToPath(new URL(program, import.meta.url)), ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (said += text))
  return new Promise((resolve) => child.on('close', (code, signal) => resolve({ end: code ?? signal ?? '', said })))
}

const slow = 'sync_data:delay=400:after=10:path=/commitlog/'
for (const [what, faults, code] of [
  ['exit while a flush is waited for', slow, 0],
  ['exit in the tick of an append', '', 0],
  ['exit while closing', slow, 0],
  ['exit while a transfer waits for its reader', '', 0],
  ['exit while a worker appends', '', 0],
  ['end without closing', '', 0],
  ['throw', '', 1],
] as const) {
  t.test(`a process may ${what}: no crash, no hang, and every acknowledged message is there`, async (t) => {
    const directory = newDirectory(t)
    const { end, said } = await run('exit-child.js', directory, what, faults)
    t.equal(end, code, said)
    if (code === 0) t.match(said, /^ending\n$/)
    const store = await openAt(t, directory)
    t.same(
      (await bodiesOf(store, 'orders')).slice(0, 10),
      numbered(10).map(({ body }) => body),
    )
    t.equal(store.recovery.torn, undefined)
    await store.append({ topic: 'orders' })
  })
}

t.test("four blocked calls of the application's fs delay no acknowledgement", async (t) => {
  const store = await openNew(t, { flush: 'sync' })
  const pipes = Array.from({ length: Number(process.env.UV_THREADPOOL_SIZE ?? 4) }, (_, i) => join(t.testdirName, `pipe${i}`))
  execFileSync('mkfifo', pipes)
  // Each holds a thread of libuv's pool in open(2) until somebody comes to write.
  const blocked = Promise.all(pipes.map(readOnce))
  for (let i = 0; i < 20; i++) t.equal((await store.append({ topic: 'orders', body: `${i}` })).status, 'PUT_OK')
  t.equal((await store.appendBatch(numbered(5, { from: 20 }))).length, 5)
  t.equal(store.appendSync({ topic: 'orders', body: '25' }).status, 'PUT_OK')
  t.equal(store.flushedLogOffset, store.maxLogOffset)
  t.equal((await store.pull({ topic: 'orders', queueId: 0, offset: 0 })).status, 'FOUND', 'what is in memory is read at once too')
  // Opened for both, a pipe waits for nobody.
  const writers = pipes.map((pipe) => openSync(pipe, 'r+'))
  for (const writer of writers) writeSync(writer, 'x')
  t.same(
    await blocked,
    pipes.map(() => 'x'),
    'all of them were blocked until now',
  )
  for (const writer of writers) closeSync(writer)
})

async function readOnce(path: string): Promise<string> {
  await using file = await open(path)
  return String((await file.read(Buffer.alloc(1), 0, 1)).buffer)
}

t.test('no misuse of the raw addon ends the process', async (t) => {
  const { end, said } = await run('misuse-child.js', newDirectory(t))
  t.equal(end, 0, said.slice(-2000))
  t.match(said, /survived/)
})

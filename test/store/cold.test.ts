/** Reading what is not in memory: off the event loop, on libuv's pool. */
import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readFileSync, statfsSync, writeSync } from 'node:fs'
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { type Message, TransferTarget } from '#src/index.js'
import { bodyOf, newDirectory, openAt } from './stores.js'

t.setTimeout(60_000)

const TMPFS = 0x01021994
const queue = { topic: 'orders', queueId: 0 }

t.test('a cold page is read off the loop: with the pool blocked such calls wait, and warm ones do not', async (t) => {
  const directory = newDirectory(t)
  const first = await openAt(t, directory)
  const results = await first.appendBatch(
    Array.from({ length: 300 }, (_, i) => ({ ...queue, tags: 'paid', body: `${i}`.padEnd(900, '.') })),
  )
  await first.close()
  if (statfsSync(directory).type === TMPFS) return void t.pass('this file system is memory: nothing of it is ever cold')
  const segments = (await readdir(join(directory, 'commitlog'))).sort()
  // dd without a byte to copy: the kernel drops the file's pages.
  for (const name of segments.slice(0, -1))
    execFileSync('dd', [`of=${join(directory, 'commitlog', name)}`, 'oflag=nocache', 'conv=notrunc', 'count=0', 'status=none'], {
      input: '',
    })

  const store = await openAt(t, directory)
  const pipes = Array.from({ length: Number(process.env.UV_THREADPOOL_SIZE ?? 4) }, (_, i) => join(t.testdirName, `pipe${i}`))
  execFileSync('mkfifo', pipes)
  const blocked = pipes.map(async (pipe) => {
    await using file = await open(pipe)
    await file.read(Buffer.alloc(1), 0, 1)
  })
  const settled: string[] = []
  const at = (i: number): number => (results[i] as { logOffset: number }).logOffset
  const into = Buffer.alloc(64 << 10)
  const sent = openSync(join(t.testdirName, 'sent'), 'w+')
  const target = TransferTarget.ofDescriptor(sent)
  const waiting = {
    pull: store.pull({ ...queue, offset: 0 }),
    'pull by tag': store.pull({ ...queue, offset: 0, tags: 'paid' }),
    pullRaw: store.pullRaw({ ...queue, offset: 20 }),
    'pullRaw into memory': store.pullRaw({ ...queue, offset: 40, into }),
    messageAt: store.messageAt(at(70)),
    transfer: store.transfer(target, { ranges: new Float64Array([at(80), at(90) - at(80)]) }),
    'what follows a transfer': target.write(Buffer.from('behind')),
  }
  for (const [name, promise] of Object.entries(waiting)) promise.then(() => settled.push(name))
  t.equal(bodyOf((await store.pull({ ...queue, offset: 299 })).messages[0] as Message), '299'.padEnd(900, '.'), 'a warm pull')
  t.equal(bodyOf((await store.messageAt(at(298))) as Message), '298'.padEnd(900, '.'), 'a warm message')
  t.match(await store.pullRanges({ ...queue, offset: 0 }), { status: 'FOUND' }, 'ranges touch no record')
  await sleep(20)
  t.same(settled, [], 'what is cold waits for the pool')

  const writers = pipes.map((pipe) => openSync(pipe, 'r+'))
  for (const writer of writers) writeSync(writer, 'x')
  await Promise.all(blocked)
  for (const page of [await waiting.pull, await waiting['pull by tag']])
    t.same(
      page.messages.map((message) => Number.parseInt(bodyOf(message), 10)),
      Array.from({ length: 20 }, (_, i) => i),
    )
  t.equal((await waiting.pullRaw).count, 20)
  const cold = await waiting['pullRaw into memory']
  t.equal(cold.bytes.buffer, into.buffer)
  t.same(cold, await store.pullRaw({ ...queue, offset: 40 }))
  t.equal(Number.parseInt(bodyOf((await waiting.messageAt) as Message), 10), 70)
  await waiting['what follows a transfer']
  const expected = Buffer.concat([await store.commitLog.range(at(80), at(90) - at(80)), Buffer.from('behind')])
  t.ok(readFileSync(sent).length === 0 && readFileSync(join(t.testdirName, 'sent')).equals(expected))
  for (const descriptor of [...writers, sent]) closeSync(descriptor)
})

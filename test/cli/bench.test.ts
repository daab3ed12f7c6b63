import { readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { bodiesOf, collect, newDirectory, numbered, openAt } from '../store/stores.js'
import { ended, run, start } from './run.js'

t.setTimeout(120_000)

const temporary = () => readdirSync(tmpdir()).filter((name) => name.startsWith('millrace-bench-'))
const settings = join(t.testdir({ 'small.properties': 'mappedFileSizeCommitLog=16777216\n' }), 'small.properties')
const bench = (...args: string[]) => run(['bench', ...args, '--settings', settings])

for (const kind of ['append', 'pull', 'sync']) {
  t.test(`bench ${kind} prints a rate and latencies, and leaves nothing behind`, async (t) => {
    const before = temporary()
    const { code, stdout, stderr } = await bench(kind, '--count', '1000')
    t.match({ code, stderr }, { code: 0, stderr: '' })
    t.match(stdout, new RegExp(`^${kind}: 1024 B, ${kind === 'sync' ? 'sync' : 'async'} flush, 1 thread, .+\\nmessages  1,000 in `))
    t.match(stdout, /\nrate {6}[\d,]+ messages\/s, \d+\.\d MB\/s\n\nlatency +mean +p50 +p90 +p99 +p99\.9 +max\nms( +\d+\.\d+){6}\n$/)
    t.same(temporary(), before)
  })
}

t.test('bench append writes as many messages as it says, of the shape that was asked for, to its own topic', async (t) => {
  const directory = newDirectory(t)
  const store = await openAt(t, directory)
  await store.appendBatch(numbered(5))
  await store.close()
  const args = ['--dir', directory, '--count', '1003', '--size', '100', '--threads', '2', '--queues', '3', '--keys', '2', '--batch', '10']
  const { code, stdout } = await run(['bench', 'append', ...args, '--json'])
  t.equal(code, 0)
  const result = JSON.parse(stdout)
  t.match(result, { bench: 'append', flush: 'async', messages: 1003, bytes: 100_300, interrupted: false, directory })
  t.match(result.plan, { size: 100, count: 1003, threads: 2, queues: 3, keys: 2, batch: 10, inFlight: 32 })
  t.ok(result.calls >= 101 && result.messagesPerSecond > 0 && result.latencyMs.p99_9 >= result.latencyMs.p50)
  const again = await openAt(t, directory)
  t.same(again.topics().sort(), ['millrace-bench', 'orders'])
  t.equal((await bodiesOf(again, 'orders')).length, 5)
  const written = (await collect(again.records())).filter(({ topic }) => topic === 'millrace-bench')
  t.equal(written.length, 1003)
  t.ok(written.every(({ body, keys, queueId }) => body.length === 100 && keys.length === 2 && queueId < 3))
})

t.test('bench pull takes what is there of an earlier run, and goes round', async (t) => {
  const directory = newDirectory(t)
  const args = ['pull', '--dir', directory, '--count', '400', '--queues', '2', '--in-flight', '3', '--json']
  t.match(JSON.parse((await bench(...args)).stdout), { bench: 'pull', messages: 400 })
  const store = await openAt(t, directory, { readOnly: true, settings: {} })
  const end = store.maxLogOffset
  t.match(JSON.parse((await bench(...args, '--threads', '2')).stdout), { bench: 'pull', messages: 400 })
  await store.commitLog.refresh()
  t.equal(store.maxLogOffset, end)
})

t.test('bench with a rate begins no more than that, for as long as was said', async (t) => {
  const result = JSON.parse((await bench('append', '--seconds', '1', '--rate', '500', '--json')).stdout)
  t.match(result, { plan: { seconds: 1, rate: 500 }, directory: null })
  t.ok(result.messages <= 500 && result.messages > 0, `${result.messages}`)
  t.match((await bench('append', '--count', '20', '--rate', '500', '--keys', '1')).stdout, /1 key, 500 messages\/s wanted\n/)
})

t.test('an interrupt ends a benchmark with 130, its result so far, and no store', async (t) => {
  const before = temporary()
  const child = start('bench', 'append', '--seconds', '600', '--rate', '10', '--settings', settings)
  const end = ended(child)
  while (temporary().length === before.length) await new Promise((wake) => setTimeout(wake, 20))
  await new Promise((wake) => setTimeout(wake, 500))
  child.kill('SIGINT')
  const { code, stdout, stderr } = await end
  t.match({ code, stderr }, { code: 130, stderr: '' })
  t.match(stdout, /; interrupted\n/)
  t.same(temporary(), before)
})

t.test('what can’t be done ends with one line, and leaves nothing behind', async (t) => {
  const before = temporary()
  for (const args of [
    ['--count', '0'],
    ['--count', '5', '--seconds', '5'],
    ['--threads', '65'],
    ['--size', 'large'],
  ])
    t.match(await bench('append', ...args), { code: 2, stdout: '', stderr: /^millrace: .+\n$/ }, args.join(' '))
  // The store's own refusal, in a thread.
  t.match(await bench('append', '--size', '5000000', '--count', '3'), { code: 1, stdout: '', stderr: /^millrace: MESSAGE_ILLEGAL: .+\n$/ })
  const store = await openAt(t, newDirectory(t))
  t.match(await bench('sync', '--dir', store.directory), { code: 1, stdout: '', stderr: /^millrace: STORE_LOCKED: .+\n$/ })
  t.match(await run(['bench', 'push']), { code: 2 })
  t.same(temporary(), before)
})

import { once } from 'node:events'
import { createInterface } from 'node:readline'
import t from 'tap'
import { numbered, openNew } from '../store/stores.js'
import { ended, parsed, run, start } from './run.js'

t.setTimeout(60_000)

t.test('tail prints the newest messages of each queue', async (t) => {
  const store = await openNew(t)
  await store.appendBatch([...numbered(20), ...numbered(3, { queueId: 1, from: 20 })])
  const tail = async (...args: string[]) =>
    parsed((await run(['store', 'tail', store.directory, '--topic', 'orders', ...args])).stdout).map(({ body }) => body)
  t.same(await tail(), ['10', '11', '12', '13', '14', '15', '16', '17', '18', '19', '20', '21', '22'])
  t.same(await tail('-n', '2'), ['18', '19', '21', '22'])
  t.same(await tail('--lines', '1', '--queue', '0'), ['19'])
  t.match(await run(['store', 'tail', store.directory]), { code: 2 })
})

t.test('tail --follow prints what a program appends, in new queues too, until it is interrupted', async (t) => {
  const store = await openNew(t)
  await store.appendBatch(numbered(3))
  const child = start('store', 'tail', store.directory, '--topic', 'orders', '--follow')
  const end = ended(child)
  const lines = createInterface({ input: child.stdout })
  const seen: unknown[] = []
  lines.on('line', (line) => seen.push(JSON.parse(line).body))
  const until = async (count: number) => {
    while (seen.length < count) await once(lines, 'line')
  }
  await until(3)
  await store.appendBatch(numbered(2, { from: 3 }))
  await until(5)
  await store.appendBatch(numbered(2, { queueId: 7, from: 5 }))
  await until(7)
  t.same(seen, ['0', '1', '2', '3', '4', '5', '6'])
  child.kill('SIGINT')
  t.match(await end, { code: 0, stderr: '' })
})

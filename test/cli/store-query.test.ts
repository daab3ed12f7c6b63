import t from 'tap'
import { newDirectory, numbered, openAt } from '../store/stores.js'
import { parsed, run } from './run.js'

t.test('query finds by key, by id and from a time on', async (t) => {
  const directory = newDirectory(t)
  const store = await openAt(t, directory)
  const results = await store.appendBatch([...numbered(20), ...numbered(5, { queueId: 1, from: 20 })])
  await store.append({ topic: 'orders', keys: 'k3', properties: { UNIQ_KEY: 'AC1100010000000000000001' }, body: 'again' })
  await store.close()
  const query = async (...args: string[]) => parsed((await run(['store', 'query', directory, ...args])).stdout).map(({ body }) => body)
  t.same(await query('--topic', 'orders', '--key', 'k3'), ['again', '3'])
  t.same(await query('--topic', 'orders', '--key', 'k3', '--limit', '1'), ['again'])
  t.same(await query('--topic', 'orders', '--key', 'k3', '--to', '2020-01-01T00:00:00Z'), [])
  t.same(await query('--topic', 'orders', '--key', 'k3', '--from', '2020-01-01'), ['again', '3'])
  t.same(await query('--topic', 'orders', '--key', 'nobody'), [])
  t.same(await query('--id', '7F00000100002A9F0000000000FFFFFF'), [])
  t.same(await query('--id', results[7]!.messageId), ['7'])
  t.same(await query('--topic', 'orders', '--id', 'AC1100010000000000000001'), ['again'])
  t.same(await query('--topic', 'orders', '--time', '0'), ['0', '20'])
  t.same(await query('--topic', 'orders', '--time', '0', '--queue', '1'), ['20'])
  t.same(await query('--topic', 'orders', '--time', '2099-01-01'), [])
  for (const args of [
    [],
    ['--key', 'k'],
    ['--topic', 't'],
    ['--topic', 't', '--key', 'k', '--id', 'i'],
    ['--topic', 't', '--time', 'soon'],
  ])
    t.match(await run(['store', 'query', directory, ...args]), { code: 2, stdout: '' }, args.join(' '))
  t.match(await run(['store', 'query', directory, '--id', 'zz']), { code: 1, stderr: /INVALID_ARGUMENT/ })
})

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { bodyOf, newDirectory, numbered, openAt, openNew, refusal } from './stores.js'

t.setTimeout(60_000)

const queue = { topic: 'orders', queueId: 0 }
const folderOf = (directory: string) => join(directory, 'millrace', 'cursors')

t.test('a cursor goes on where it was committed, in each queue by itself', async (t) => {
  const directory = newDirectory(t)
  const store = await openAt(t, directory)
  await store.appendBatch([...numbered(10), ...numbered(5, { queueId: 1 })])
  const cursor = await store.cursor('billing')
  t.equal(cursor.position('orders', 0), undefined, 'it has never been there')
  const read: string[] = []
  for await (const message of cursor.messages(queue)) if (read.push(bodyOf(message)) === 4) break
  t.equal(cursor.position('orders', 0), 3, 'the message that the loop did not come back from counts as unread')
  for await (const message of cursor.messages({ ...queue, queueId: 1 })) void message
  await cursor.commit()
  for await (const message of cursor.messages(queue)) void message
  t.equal(cursor.position('orders', 0), 10)
  await store.close()

  const again = await openAt(t, directory)
  const later = await again.cursor('billing')
  t.same(later.positions(), [
    { topic: 'orders', queueId: 0, offset: 3 },
    { topic: 'orders', queueId: 1, offset: 5 },
  ])
  const rest: string[] = []
  for await (const message of later.messages(queue)) rest.push(bodyOf(message))
  t.same(rest, ['3', '4', '5', '6', '7', '8', '9'])
})

t.test('a loop that throws has not read the message it threw at', async (t) => {
  const store = await openNew(t)
  await store.appendBatch(numbered(3))
  const cursor = await store.cursor('billing')
  await t.rejects(async () => {
    for await (const message of cursor.messages(queue)) if (bodyOf(message) === '1') throw new Error('no')
  })
  t.equal(cursor.position('orders', 0), 1)
})

t.test('a cursor seeks, and follows', async (t) => {
  const store = await openNew(t)
  await store.appendBatch(numbered(10))
  const cursor = await store.cursor('billing')
  cursor.seek('orders', 0, 8)
  const read: string[] = []
  for await (const message of cursor.messages({ ...queue, follow: true })) {
    read.push(bodyOf(message))
    if (bodyOf(message) === '9') store.appendSync({ ...queue, body: 'new' })
    if (bodyOf(message) === 'new') break
  }
  t.same(read, ['8', '9', 'new'])
})

t.test('several cursors of a store do not meet, and are listed', async (t) => {
  const directory = newDirectory(t)
  const store = await openAt(t, directory)
  t.same(await store.cursors(), [])
  const [a, b] = await Promise.all([store.cursor('a'), store.cursor('b|%-_9')])
  t.equal(await store.cursor('a'), a, 'the same for the same name')
  a.seek('orders', 0, 0)
  b.seek('orders', 0, 0)
  a.seek('orders', 1, 0)
  await Promise.all([a.commit(), b.commit()])
  t.same(await store.cursors(), ['a', 'b|%-_9'])
  await a.remove()
  t.same(await store.cursors(), ['b|%-_9'])
  t.equal((await refusal(() => a.commit())).code, 'INVALID_ARGUMENT')
  await (await store.cursor('never-committed')).remove()
  t.equal((await store.cursor('a')).position('orders', 0), undefined, 'a new one of that name begins anew')
})

t.test('commits that come together share a write, and each holds what was moved before it', async (t) => {
  const directory = newDirectory(t)
  const store = await openAt(t, directory)
  await store.appendBatch(numbered(100))
  const cursor = await store.cursor('billing')
  const commits: Promise<void>[] = []
  for (let i = 1; i <= 100; i++) {
    cursor.seek('orders', 0, i)
    commits.push(cursor.commit())
  }
  await Promise.all(commits)
  t.match(readFileSync(join(folderOf(directory), 'billing.json'), 'utf8'), '"orders":{"0":100}')
  cursor.seek('orders', 0, 50)
  const last = cursor.commit()
  await store.close()
  await last
  t.equal((await (await openAt(t, directory)).cursor('billing')).position('orders', 0), 50, 'close waits for it')
})

t.test('a position behind what its queue has left is taken back before the first append', async (t) => {
  const directory = newDirectory(t)
  const store = await openAt(t, directory)
  await store.appendBatch(numbered(3))
  const cursor = await store.cursor('billing')
  // As after a power cut that took the end of the log.
  cursor.seek('orders', 0, 7)
  cursor.seek('gone', 2, 4)
  await cursor.commit()
  await store.close()
  const again = await openAt(t, directory)
  await again.appendBatch(numbered(6, { from: 3 }))
  const later = await again.cursor('billing')
  t.equal(later.position('orders', 0), 3)
  t.equal(later.position('gone', 2), 0)
  const read: string[] = []
  for await (const message of later.messages(queue)) read.push(bodyOf(message))
  t.same(read, ['3', '4', '5', '6', '7', '8'])
})

t.test('a file that holds no positions is named, and neither it nor the store suffers', async (t) => {
  const directory = newDirectory(t)
  await (await openAt(t, directory)).close()
  mkdirSync(folderOf(directory), { recursive: true })
  const bad = [
    '',
    '{',
    '[]',
    '{"positions":{"orders":{"0":-1}}}',
    '{"positions":{"orders":{"x":1}}}',
    '{"positions":{"orders":7.5}}',
    'null',
  ]
  for (const [i, text] of bad.entries()) writeFileSync(join(folderOf(directory), `c${i}.json`), text)
  writeFileSync(join(folderOf(directory), 'billing.json.new'), 'half')
  const store = await openAt(t, directory)
  for (const [i, text] of bad.entries()) {
    const error = await refusal(() => store.cursor(`c${i}`))
    t.equal(error.code, 'CORRUPT_CURSOR', text)
    t.equal(error.path, join(folderOf(directory), `c${i}.json`))
    t.equal(readFileSync(error.path as string, 'utf8'), text)
  }
  const cursor = await store.cursor('billing')
  cursor.seek('orders', 0, 0)
  await cursor.commit()
  t.notOk(readdirSync(folderOf(directory)).includes('billing.json.new'))
})

t.test('what is no name, queue or offset is refused', async (t) => {
  const store = await openNew(t)
  for (const name of ['', '..', 'a/b', 'a.b', 'x'.repeat(128), 7, undefined])
    t.equal((await refusal(() => store.cursor(name as string))).code, 'INVALID_ARGUMENT', String(name))
  const cursor = await store.cursor('c')
  const bad: [unknown, unknown, unknown][] = [
    ['', 0, 0],
    [7, 0, 0],
    ['t', -1, 0],
    ['t', 0, -1],
    ['t', 0, 1.5],
  ]
  for (const [topic, queueId, offset] of bad)
    t.equal((await refusal(() => cursor.seek(topic as string, queueId as number, offset as number))).code, 'INVALID_ARGUMENT')
  t.same(cursor.positions(), [])
})

t.test('a commit after close is refused, and a failed one can be made again', async (t) => {
  const directory = newDirectory(t)
  const store = await openAt(t, directory)
  const cursor = await store.cursor('c')
  cursor.seek('orders', 0, 0)
  mkdirSync(join(folderOf(directory), 'c.json', 'in the way'), { recursive: true })
  t.equal((await refusal(() => cursor.commit())).code, 'IO_ERROR')
  rmSync(join(folderOf(directory), 'c.json'), { recursive: true })
  await cursor.commit()
  t.same(await store.cursors(), ['c'])
  await store.close()
  cursor.seek('orders', 0, 1)
  t.equal((await refusal(() => cursor.commit())).code, 'STORE_NOT_OPEN')
})

t.test('a link where a cursor belongs leads nowhere', async (t) => {
  const directory = newDirectory(t)
  const store = await openAt(t, directory)
  const outside = newDirectory(t)
  mkdirSync(outside)
  symlinkSync(outside, folderOf(directory))
  const cursor = await store.cursor('c')
  cursor.seek('orders', 0, 0)
  t.equal((await refusal(() => cursor.commit())).code, 'UNSAFE_PATH')
  t.same(readdirSync(outside), [])
  rmSync(folderOf(directory))
  mkdirSync(folderOf(directory))
  symlinkSync(join(outside, 'birth'), join(folderOf(directory), 'c.json.new'))
  symlinkSync(join(outside, 'd'), join(folderOf(directory), 'd.json'))
  await cursor.commit()
  t.notOk(existsSync(join(outside, 'birth')))
  t.equal((await refusal(() => store.cursor('d'))).code, 'UNSAFE_PATH')
})

/** Options and settings that only mean something together. */
import { existsSync } from 'node:fs'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { MessageStore } from '#src/index.js'
import { bodiesOf, newDirectory, numbered, openAt, openNew, refusal, small } from './stores.js'

t.setTimeout(60_000)

t.test('one of the index sizes alone makes the other RocketMQ’s default, as a broker has it', async (t) => {
  const { maxHashSlotNum: _, maxIndexNum: __, ...rest } = small
  const slots = await openNew(t, { settings: { ...rest, maxHashSlotNum: 50 } })
  t.same([slots.index.slots, slots.index.entries], [50, 20_000_000])
  const entries = await openNew(t, { settings: { ...rest, maxIndexNum: 200 } })
  t.same([entries.index.slots, entries.index.entries], [5_000_000, 200])
  const directory = newDirectory(t)
  const store = await openAt(t, directory)
  await store.appendBatch(numbered(3))
  await store.close()
  const error = await refusal(() => MessageStore.open(directory, { settings: { ...rest, maxHashSlotNum: 50 } }))
  t.match(error, { code: 'INDEX_SIZE_UNKNOWN', foundBytes: 40 + 4 * 50 + 20 * 200 })
})

t.test('a reader cannot know what is on disk, and says so', async (t) => {
  const directory = newDirectory(t)
  const store = await openAt(t, directory, { visible: 'durable' })
  await store.appendBatch(numbered(3))
  await store.flush()
  t.match(await refusal(() => MessageStore.open(directory, { readOnly: true, visible: 'durable' })), {
    code: 'INVALID_ARGUMENT',
    what: 'visible',
  })
  await store.close()
  const segment = join(directory, 'commitlog', (await readdir(join(directory, 'commitlog'))).sort()[0] as string)
  const bytes = Buffer.alloc(small.mappedFileSizeCommitLog)
  await writeFile(segment, bytes) // the log is gone: what is opened in spite of it is empty, and for reading only
  const damaged = await openAt(t, directory, { visible: 'durable', onCorruption: 'readOnly' })
  t.equal(damaged.readOnly, true)
  t.same(await bodiesOf(damaged, 'orders'), [])
})

t.test('settings of a store that is no such store are refused, and nothing is made', async (t) => {
  const directory = newDirectory(t)
  const dledger = await refusal(() => MessageStore.open(directory, { settings: { ...small, enableDLegerCommitLog: true } }))
  t.equal(dledger.code, 'DLEDGER_STORE')
  const paths = [newDirectory(t), newDirectory(t)]
  for (const settings of [
    { storePathCommitLog: paths.join(), readOnlyCommitLogStorePaths: paths.reverse().join() },
    { readOnlyCommitLogStorePaths: join(directory, 'commitlog') },
  ]) {
    const nowhere = await refusal(() => MessageStore.open(directory, { settings: { ...small, ...settings } }))
    t.match(nowhere, { code: 'INVALID_SETTING', setting: 'readOnlyCommitLogStorePaths', value: settings.readOnlyCommitLogStorePaths })
  }
  t.notOk(existsSync(directory))
})

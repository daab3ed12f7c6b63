/** A log over several directories: storePathCommitLog with commas, readOnlyCommitLogStorePaths. */
import { existsSync } from 'node:fs'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { MessageStore, verifyStore } from '#src/index.js'
import { run } from '../cli/run.js'
import { bodiesOf, newDirectory, numbered, openAt, refusal, small } from './stores.js'

t.setTimeout(60_000)

t.test('segments take turns over the directories in the order of their names, and every reader finds them', async (t) => {
  const directory = newDirectory(t)
  const [a, b] = [newDirectory(t), newDirectory(t)]
  const inside = join(directory, 'commitlog')
  const settings = { ...small, storePathCommitLog: [inside, b, a, b].join(', ') }
  const order = [inside, a, b].sort()
  const store = await openAt(t, directory, { settings })
  await store.appendBatch(numbered(3000))
  const bodies = await bodiesOf(store, 'orders')
  t.equal(bodies.length, 3000)
  for (let number = 0; number * 65536 < store.maxLogOffset; number++)
    t.ok(existsSync(join(order[number % 3]!, `${number * 65536}`.padStart(20, '0'))), `segment ${number}`)

  const reader = await openAt(t, directory, { settings, readOnly: true })
  t.same(await bodiesOf(reader, 'orders'), bodies)
  await store.appendBatch(numbered(2000, { from: 3000 }))
  await store.flush()
  t.match(
    await reader.pull({ topic: 'orders', queueId: 0, offset: 3000 }),
    { status: 'FOUND' },
    'a reader follows it from one to the other',
  )

  const backup = newDirectory(t)
  await store.backup(backup)
  t.ok((await store.deleteBelow(store.maxLogOffset / 2)) > 3)
  const more = await bodiesOf(store, 'orders')
  await store.close()
  t.same(
    await bodiesOf(await openAt(t, backup), 'orders'),
    Array.from({ length: 5000 }, (_, i) => `${i}`),
  )
  t.match(await verifyStore(directory, { settings }), { findingCount: 0, closedProperly: true, units: more.length })
  const path = join(directory, 'settings.properties')
  await writeFile(
    path,
    Object.entries(settings)
      .map(([name, value]) => `${name}=${value}`)
      .join('\n'),
  )
  t.match(await run(['store', 'verify', directory, '--settings', path]), { code: 0 })

  // A stranger in one of them is found and refused, and so is a directory of them that is missing.
  await writeFile(join(b, 'stranger'), '')
  t.match((await verifyStore(directory, { settings })).findings, [{ part: 'log', path: join(b, 'stranger') }])
  t.match(await refusal(() => openAt(t, directory, { settings })), { code: 'FOREIGN_FILE', path: join(b, 'stranger') })
  await rm(join(b, 'stranger'))
  const missing = { ...small, storePathCommitLog: [inside, a].join() }
  t.match(await refusal(() => openAt(t, directory, { settings: missing })), { code: 'FOREIGN_FILE' })
  t.ok((await verifyStore(directory, { settings: missing })).findingCount > 0)
})

t.test('a directory that is read-only gets no further segment, and is done with when retention has emptied it', async (t) => {
  const directory = newDirectory(t)
  const [a, b] = [newDirectory(t), newDirectory(t)]
  const before = { ...small, storePathCommitLog: a }
  const after = { ...small, storePathCommitLog: b, readOnlyCommitLogStorePaths: a }
  const store = await openAt(t, directory, { settings: before })
  await store.appendBatch(numbered(2000))
  await store.close()
  const segments = (await readdir(a)).length
  const moved = await openAt(t, directory, { settings: after })
  await moved.appendBatch(numbered(2000, { from: 2000 }))
  t.same(
    await bodiesOf(moved, 'orders'),
    Array.from({ length: 4000 }, (_, i) => `${i}`),
  )
  t.equal((await readdir(a)).length, segments)
  const last = moved.maxLogOffset
  await moved.deleteBelow(last)
  t.same(await readdir(a), [])
  await moved.close()
  await rm(a, { recursive: true })
  const again = await openAt(t, directory, { settings: after })
  t.ok(again.minLogOffset > 0 && again.maxLogOffset === last)
  const both = await MessageStore.open(directory, { readOnly: true, settings: { ...after, readOnlyCommitLogStorePaths: [a, b].join() } })
  t.equal(both.maxLogOffset, last, 'a reader needs no directory to write to')
  await both.close()
})

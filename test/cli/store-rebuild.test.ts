import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { newDirectory, numbered, openAt } from '../store/stores.js'
import { fixture } from '../support/fixtures.js'
import { corruptStore } from './corrupt-store.js'
import { run } from './run.js'

t.test('rebuild of a store of Java’s gives the queues and the index again, and says where the old ones are', async (t) => {
  const { dir, settings, settingsFile, manifest } = fixture('clean-4.9')
  const { code, stdout, stderr } = await run(['store', 'rebuild', dir, '--settings', settingsFile])
  t.match({ code, stderr }, { code: 0, stderr: '' })
  t.match(stdout, /^rebuilt \d+ queues with [\d,]+ units and [\d,]+ index entries\nfrom a log of \d+\.\d MB in \d+\.\d\d s, .+ MB\/s\n/)
  const [, keptIn = ''] = /\nthe old ones are in (.+)\n$/.exec(stdout) ?? []
  t.equal(dirname(keptIn), dirname(dir))
  t.same(readdirSync(keptIn).sort(), ['consumequeue', 'index'])
  const store = await openAt(t, dir, { settings })
  for (const { topic, queueId, entries } of manifest.queues) {
    const units = [...store.consumeQueue(topic, queueId).units()].map(({ logOffset, size, tagCode }) => [logOffset, size, tagCode])
    t.same(
      units,
      entries.map((entry) => entry.slice(0, 3)),
      `${topic} ${queueId}`,
    )
  }
  for (const { topic, key, maxNum, begin, end, logOffsets } of manifest.queries)
    t.same(store.index.query(topic, key, { limit: maxNum, begin, end }).sort(), [...logOffsets].sort(), `${topic} ${key}`)
})

t.test('rebuild mends queues that were damaged; --keep says where the old ones go, --json what was done', async (t) => {
  const directory = newDirectory(t)
  const store = await openAt(t, directory)
  await store.appendBatch([...numbered(50), ...numbered(30, { queueId: 1 })])
  await store.close()
  const unit = join(directory, 'consumequeue/orders/0', '0'.repeat(20))
  const bytes = readFileSync(unit)
  bytes[27] = 99 // another record, long before where an opening looks
  writeFileSync(unit, bytes)
  t.match(await run(['store', 'verify', directory]), { code: 1 })
  const keep = newDirectory(t)
  const { code, stdout } = await run(['store', 'rebuild', directory, '--keep', keep, '--json'])
  t.equal(code, 0)
  t.match(JSON.parse(stdout), { directory, keptIn: keep, queues: 2, units: 80, indexEntries: 80, bytesPerSecond: Number })
  t.same(readFileSync(join(keep, 'consumequeue/orders/0', '0'.repeat(20))), bytes, 'the damaged file is there to be looked at')
  t.match(await run(['store', 'verify', directory]), { code: 0 })
})

t.test('rebuild says what it cut off behind a crash', async (t) => {
  const { dir, settingsFile, manifest } = fixture('torn-body-4.9')
  const { code, stdout } = await run(['store', 'rebuild', dir, '--settings', settingsFile])
  t.equal(code, 0)
  t.match(stdout, new RegExp(`\\ncut [\\d,]+ bytes off the log at ${manifest.log.maxOffset}: there lay .+\\n$`))
})

t.test('rebuild refuses with one line and moves nothing', async (t) => {
  const directory = await corruptStore(t)
  const keep = newDirectory(t)
  const refused = async (code: RegExp, ...args: string[]) => {
    t.match(await run(['store', 'rebuild', ...args]), { code: 1, stdout: '', stderr: code })
    t.notOk(existsSync(keep))
    t.ok(existsSync(join(directory, 'consumequeue/orders/0')))
  }
  await refused(/^millrace: CORRUPT_LOG: .+\n$/, directory, '--keep', keep)
  await refused(/^millrace: NO_STORE: .+\n$/, newDirectory(t), '--keep', keep)
  const open = await openAt(t, newDirectory(t))
  await refused(/^millrace: STORE_LOCKED: .+\n$/, open.directory, '--keep', keep)
  rmSync(join(directory, 'commitlog'), { recursive: true })
  await refused(/^millrace: NO_STORE: .+\n$/, directory)
  t.match(await run(['store', 'rebuild']), { code: 2 })
})

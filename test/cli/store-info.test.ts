import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { newDirectory, numbered, openAt } from '../store/stores.js'
import { fixture } from '../support/fixtures.js'
import { corruptStore } from './corrupt-store.js'
import { run } from './run.js'

/** Hash of every file by its path. */
function snapshot(directory: string): Record<string, string> {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).sort()
  return Object.fromEntries(paths.map((path) => [path, createHash('sha1').update(readFileSync(path)).digest('hex')]))
}

for (const name of ['clean-4.9', 'crashed-4.9', 'trimmed-4.9', 'log-only-4.9', 'empty-4.9'] as const) {
  t.test(`info of ${name} prints the bounds that Java gives, and changes no byte`, async (t) => {
    const { dir, manifest } = fixture(name)
    const before = snapshot(dir)
    const { code, stdout, stderr } = await run(['store', 'info', dir, '--json'])
    t.match({ code, stderr }, { code: 0, stderr: '' })
    const info = JSON.parse(stdout)
    t.equal(info.minLogOffset, Math.max(0, manifest.log.minOffset)) // Java says -1 of an empty log
    t.equal(info.maxLogOffset, manifest.log.maxOffset)
    t.equal(info.closedProperly, manifest.recovered.lastExitOk)
    const key = ({ topic, queueId }: { topic: string; queueId: number }) => `${topic} ${queueId}`
    const max = (queues: { topic: string; queueId: number; maxOffset: number }[]) =>
      Object.fromEntries(queues.filter(({ maxOffset }) => maxOffset > 0).map((queue) => [key(queue), queue.maxOffset]))
    t.same(max(info.queues), max([...manifest.queues]))
    t.same(snapshot(dir), before)
  })
}

t.test('info prints a table for people', async (t) => {
  const directory = newDirectory(t)
  const store = await openAt(t, directory)
  await store.appendBatch([...numbered(3), ...numbered(2, { queueId: 10 })])
  await store.close()
  const { code, stdout } = await run(['store', 'info', directory])
  t.equal(code, 0)
  t.match(stdout, /^directory {2}.*\nlog +0 to \d+, segments of 65536 bytes\nstate +closed properly\nqueues +2 of 1 topics\n\n/)
  t.match(stdout, /\norders +0 +0 +3 +3\norders +10 +0 +2 +2\n$/)
})

t.test('info works while a program writes', async (t) => {
  const directory = newDirectory(t)
  const store = await openAt(t, directory)
  await store.appendBatch(numbered(5))
  const { code, stdout } = await run(['store', 'info', directory, '--json'])
  t.equal(code, 0)
  t.match(JSON.parse(stdout), { maxLogOffset: store.maxLogOffset, queues: [{ topic: 'orders', maxOffset: 5 }] })
})

t.test('a directory without a store ends with 1 and one line', async (t) => {
  const { code, stdout, stderr } = await run(['store', 'info', newDirectory(t)])
  t.match({ code, stdout }, { code: 1, stdout: '' })
  t.match(stderr, /^millrace: NO_STORE: .+\n$/)
})

t.test('a corrupt store is refused, and --on-corruption opens what lies before the damage', async (t) => {
  const directory = await corruptStore(t)
  const before = snapshot(directory)
  const refused = await run(['store', 'info', directory])
  t.equal(refused.code, 1)
  t.match(refused.stderr, /^millrace: CORRUPT_LOG: .+\n$/)
  const opened = await run(['store', 'info', directory, '--json', '--on-corruption', 'readOnly'])
  t.equal(opened.code, 0)
  t.match(JSON.parse(opened.stdout), { maxLogOffset: 0, torn: { logOffset: 0 } })
  t.same(snapshot(directory), before)
})

t.test('--settings with another size than the files have names the size that they have', async (t) => {
  const { dir, settings, settingsFile } = fixture('clean-4.9')
  t.equal((await run(['store', 'info', dir, '--settings', settingsFile])).code, 0)
  writeFileSync(settingsFile, 'mappedFileSizeCommitLog=131072\n')
  const { code, stderr } = await run(['store', 'info', dir, '--settings', settingsFile])
  t.equal(code, 1)
  t.match(stderr, /^millrace: SEGMENT_SIZE_MISMATCH: .+\n$/)
  t.match(stderr, String(settings.mappedFileSizeCommitLog))
})

t.test('a settings file that is missing or wrong ends with 1 and one line', async (t) => {
  const { dir, settingsFile } = fixture('empty-4.9')
  const missing = await run(['store', 'info', dir, '--settings', `${settingsFile}.not`])
  t.match(missing, { code: 1, stderr: /^millrace: ENOENT: .+\n$/ })
  writeFileSync(settingsFile, 'maxMessageSize=much\n')
  const wrong = await run(['store', 'info', dir, '--settings', settingsFile])
  t.match(wrong, { code: 1, stderr: /^millrace: INVALID_SETTING: .+maxMessageSize.+\n$/ })
})

import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { newDirectory, numbered, openAt, small } from '../store/stores.js'
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
  t.match(
    stdout,
    /^directory {2}.*\nlog +0 to \d+, segments of 65536 bytes\n {11}1 file of 64\.0 KiB, [\d.]+ KiB on disk\nstate +closed properly\n/,
  )
  t.match(
    stdout,
    /\nqueues +2 of 1 topics\n {11}2 files of .+\nindex {6}1 file of .+\nmessages {3}5, 1\d\d B of the log each\nstored {5}20/,
  )
  t.match(stdout, /\norders +0 +0 +3 +3\norders +10 +0 +2 +2\n/)
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

t.test('info tells sizes, times and rates', async (t) => {
  const { dir, settingsFile, manifest } = fixture('clean-4.9')
  const info = async (...args: string[]) =>
    JSON.parse((await run(['store', 'info', dir, '--json', '--settings', settingsFile, ...args])).stdout)
  const { queues, ...found } = await info('--times')
  const segments = readdirSync(join(dir, 'commitlog'))
  t.match(found.sizes, { log: { files: segments.length, bytes: segments.length * found.segmentBytes, onDisk: Number } })
  t.equal(found.sizes.index.files, readdirSync(join(dir, 'index')).length)
  t.ok(found.sizes.queues.files >= manifest.queues.length)
  const filled = (found.segments as { filled: number }[]).reduce((sum, segment) => sum + segment.filled, 0)
  t.equal(filled, found.maxLogOffset - found.minLogOffset)
  const times = manifest.messages.map(({ storeTimestamp }) => storeTimestamp)
  const [earliest, latest] = [times[0] as number, times.at(-1) as number]
  t.same(found.timeSpan, { earliest, latest })
  t.equal(
    found.messages,
    queues.reduce((sum: number, { messages }: { messages: number }) => sum + messages, 0),
  )
  t.equal(found.messagesPerSecond, (1000 * found.messages) / (latest - earliest))
  t.equal(found.averageRecordBytes, filled / found.messages)
  for (const { topic, queueId, messages, timeSpan } of queues) {
    const own = manifest.messages.filter((message) => message.topic === topic && message.queueId === queueId)
    if (messages === own.length && messages > 0)
      t.same(timeSpan, { earliest: own[0]?.storeTimestamp, latest: own.at(-1)?.storeTimestamp }, `${topic} ${queueId}`)
  }
  t.equal((await info()).queues[0].timeSpan, undefined)
  const { stdout } = await run(['store', 'info', dir, '--times', '--settings', settingsFile])
  t.match(stdout, /\ntopic +queue +min +max +messages +first stored +last stored\n/)
})

t.test('info draws segments and queues, no wider than 80 columns', async (t) => {
  const directory = newDirectory(t)
  const store = await openAt(t, directory, { settings: { ...small, mappedFileSizeCommitLog: 4096 } })
  await store.appendBatch(numbered(190))
  for (let queueId = 1; queueId < 45; queueId++) await store.appendBatch(numbered(10, { queueId }))
  await store.append({ topic: 'gone', body: 'x' })
  await store.close()
  const { stdout } = await run(['store', 'info', directory])
  const lines = stdout.split('\n')
  t.ok(lines.every((line) => line.length <= 80 || line.startsWith('directory')))
  t.match(stdout, /\nsegment {2}filled +written\n +… {2}\d+ before these\n/)
  t.match(stdout, /\n +\d+ {2}\[#+\] {2}\d+ (s|ms) ago\n/)
  t.match(stdout, /\n +\d+ {2}\[#*\.+\] {2}\d+ (s|ms) ago\n/)
  t.match(stdout, /\norders 0 +\|[.:=#]+ +\|\n/, 'at the beginning of the log')
  t.match(stdout, /\norders 38 +\| +[.:=#]+ +\|\n/, 'in the middle')
  t.match(stdout, /\n… and 6 more\n$/)
})

t.test('info of a store without a message', async (t) => {
  const directory = newDirectory(t)
  await (await openAt(t, directory)).close()
  t.match(await run(['store', 'info', directory]), { code: 0, stdout: /\nmessages {3}0\n$/ })
  const { stdout } = await run(['store', 'info', directory, '--json', '--times'])
  t.match(JSON.parse(stdout), { messages: 0, timeSpan: null, messagesPerSecond: null, averageRecordBytes: null, segments: [], queues: [] })
})

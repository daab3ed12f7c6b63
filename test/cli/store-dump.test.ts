import { createHash } from 'node:crypto'
import { once } from 'node:events'
import t from 'tap'
import { newDirectory, numbered, openAt } from '../store/stores.js'
import { fixture } from '../support/fixtures.js'
import { ended, parsed, run, start } from './run.js'

const sha1 = (bytes: Buffer) => createHash('sha1').update(bytes).digest('hex')
const bodyOf = ({ body, bodyBase64 }: Record<string, unknown>) =>
  typeof body === 'string' ? Buffer.from(body) : Buffer.from(bodyBase64 as string, 'base64')

async function dump(...args: string[]) {
  const { code, stdout, stderr } = await run(['store', 'dump', ...args])
  if (code !== 0 || stderr !== '') throw new Error(`dump ended with ${code}: ${stderr}`)
  return parsed(stdout)
}

for (const name of ['clean-4.9', 'torn-garbage-4.9', 'ipv6-4.9', 'trimmed-4.9'] as const) {
  t.test(`dump prints every message of ${name} as Java reads it`, async (t) => {
    const { dir, manifest } = fixture(name)
    const lines = await dump(dir)
    t.equal(lines.length, manifest.messages.length)
    for (const [i, line] of lines.entries()) {
      const { bodySha1, storeSize, offsetMsgId, properties, bodyLength, bodyCrc, plainSha1, plainLength, ...same } = manifest.messages[
        i
      ] as (typeof manifest.messages)[number]
      const { TAGS, KEYS, ...others } = properties
      const { tags, keys, properties: printed, size, messageId, body: _, bodyBase64: __, ...rest } = line
      t.same(rest, same, `message ${i}`)
      t.same([sha1(bodyOf(line)), size, messageId], [bodySha1, storeSize, offsetMsgId])
      t.same([tags, printed], [TAGS, others])
      t.same(keys ?? [], (KEYS ?? '').split(' ').filter(Boolean))
    }
  })
}

t.test('--plain prints compressed bodies as they were', async (t) => {
  const { dir, manifest } = fixture('broker-4.9')
  const lines = await dump(dir, '--plain')
  const compressed = manifest.messages.flatMap(({ plainSha1 }, i) => (plainSha1 === undefined ? [] : [{ plainSha1, line: lines[i] }]))
  t.ok(compressed.length > 0)
  for (const { plainSha1, line = {} } of compressed) {
    t.equal(sha1(bodyOf(line)), plainSha1)
    t.equal((line.sysFlag as number) & 1, 0)
  }
})

t.test('a dump is taken by append, and a dump of that is the same', async (t) => {
  for (const name of ['clean-4.9', 'ipv6-4.9', 'broker-4.9'] as const) {
    const { dir, settingsFile } = fixture(name)
    const copy = newDirectory(t)
    const { stdout } = await run(['store', 'dump', dir])
    const appended = await run(['store', 'append', copy, '--settings', settingsFile], stdout)
    t.match(appended, { code: 0, stderr: '' })
    const own = ({
      topic,
      queueId,
      body,
      bodyBase64,
      tags,
      keys,
      properties,
      flag,
      sysFlag,
      bornTimestamp,
      bornHost,
    }: Record<string, unknown>) => {
      return {
        topic,
        queueId,
        body,
        bodyBase64,
        tags,
        keys,
        properties,
        flag,
        bornTimestamp,
        bornHost,
        sysFlag: (sysFlag as number) & ~0x20,
      }
    }
    t.same((await dump(copy)).map(own), parsed(stdout).map(own), name)
  }
})

t.test('topic, queue, from, limit and tags choose', async (t) => {
  const directory = newDirectory(t)
  const store = await openAt(t, directory)
  const tagged = numbered(10).map((message, i) => ({ ...message, tags: i % 2 === 0 ? 'even' : 'odd' }))
  await store.appendBatch([...tagged, ...numbered(3, { queueId: 1, from: 10 }), ...numbered(3, { topic: 'others', from: 20 })])
  await store.close()
  const bodies = async (...args: string[]) => (await dump(directory, ...args)).map(({ body }) => Number(body))
  t.same(await bodies(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 20, 21, 22])
  t.same(await bodies('--topic', 'others'), [20, 21, 22])
  t.same(await bodies('--topic', 'orders', '--limit', '12'), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
  t.same(await bodies('--topic', 'orders', '--queue', '1', '--from', '1'), [11, 12])
  t.same(await bodies('--topic', 'orders', '--tags', 'odd || none', '--from', '4'), [5, 7, 9])
  t.same(await bodies('--tags', 'even', '--limit', '2'), [0, 2])
  t.same(await bodies('--limit', '0'), [])
  const [, second] = await dump(directory)
  t.same(await bodies('--from', String(second?.logOffset), '--limit', '2'), [1, 2])
})

t.test('what is not there ends with 1 and one line', async (t) => {
  const directory = newDirectory(t)
  const store = await openAt(t, directory)
  await store.appendBatch(numbered(2))
  await store.close()
  const cases: Record<string, string[]> = {
    "has no topic 'payments'": ['--topic', 'payments'],
    "has no queue 3 of topic 'orders'": ['--topic', 'orders', '--queue', '3'],
    'no record begins at log offset 5': ['--from', '5'],
  }
  for (const [reason, args] of Object.entries(cases)) {
    const { code, stdout, stderr } = await run(['store', 'dump', directory, ...args])
    t.match({ code, stdout }, { code: 1, stdout: '' })
    t.match(stderr, new RegExp(`^millrace: .*${reason}\n$`))
  }
})

t.test('a reader that has enough ends a dump without a word', async (t) => {
  const directory = newDirectory(t)
  const store = await openAt(t, directory, { settings: { mappedFileSizeCommitLog: 16 << 20 } })
  await store.appendBatch(numbered(20_000))
  await store.close()
  const child = start('store', 'dump', directory)
  child.stdout.once('data', () => child.stdout.destroy())
  const [outcome] = await Promise.all([ended(child), once(child, 'exit')])
  t.match(outcome, { code: 0, stderr: '' })
})

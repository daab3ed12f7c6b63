import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type Line, lineGroups } from '#src/cli/ndjson.js'
import { collect, newDirectory, numbered, openAt } from '../store/stores.js'
import { fixture } from '../support/fixtures.js'
import { corruptStore } from './corrupt-store.js'
import { ended, ndjson, parsed, run, start } from './run.js'

/** Files of a size that is quickly made and flushed. */
const settings = join(
  t.testdir({ 'small.properties': 'mappedFileSizeCommitLog=16777216\nmaxHashSlotNum=10000\nmaxIndexNum=40000\n' }),
  'small.properties',
)

const append = (directory: string, input: string | Uint8Array, ...args: string[]) =>
  run(['store', 'append', directory, '--settings', settings, ...args], input)

async function dump(directory: string) {
  return parsed((await run(['store', 'dump', directory])).stdout)
}

t.test('every field of a line is stored', async (t) => {
  const directory = newDirectory(t)
  const lines = [
    { topic: 'orders', queueId: 3, body: 'täglich', tags: 'paid', keys: ['o-1', 'c-1'], properties: { color: 'red', UNIQ_KEY: 'u-1' } },
    { topic: 'orders', bodyBase64: '/wD+', keys: 'o-2' },
    { topic: 'orders', flag: 7, sysFlag: 0x100, bornTimestamp: 1234, bornHost: '[2001:db8:0:0:0:0:0:1]:80', reconsumeTimes: 2 },
  ]
  t.match(await append(directory, ndjson(lines)), { code: 0, stdout: 'appended 3 messages\n', stderr: '' })
  t.match(await dump(directory), [
    { ...lines[0], queueOffset: 0 },
    { topic: 'orders', queueId: 0, queueOffset: 0, bodyBase64: '/wD+', keys: ['o-2'], properties: {} },
    { ...lines[2], sysFlag: 0x110, queueOffset: 1, body: '' },
  ])
})

t.test('--topic is the topic of lines that have none; blank lines and a missing last line feed do not matter', async (t) => {
  const directory = newDirectory(t)
  const input = '\n{"body":"1"}\r\n   \n{"topic":"own","body":"2"}\n\n{"body":"3"}'
  t.match(await append(directory, input, '--topic', 'usual'), { code: 0, stdout: 'appended 3 messages\n' })
  t.same(
    (await dump(directory)).map(({ topic, body }) => [topic, body]),
    [
      ['usual', '1'],
      ['own', '2'],
      ['usual', '3'],
    ],
  )
})

t.test('an empty input makes an empty store', async (t) => {
  const directory = newDirectory(t)
  t.match(await append(directory, ''), { code: 0, stdout: 'appended 0 messages\n', stderr: '' })
  t.same(await dump(directory), [])
})

const bad: Record<string, string | Uint8Array> = {
  'it is no JSON': '{"topic":"orders"',
  'it is no JSON object': '["orders"]',
  "it has no 'topic'": '{"body":"x"}',
  "the field 'tag' is unknown": '{"topic":"orders","tag":"paid"}',
  "the field '__proto__' is unknown": '{"topic":"orders","__proto__":"paid"}',
  "the field 'queueId' must be a number": '{"topic":"orders","queueId":"1"}',
  "the field 'keys' must be a string or an array of strings": '{"topic":"orders","keys":[1]}',
  "the field 'properties' must be an object of strings": '{"topic":"orders","properties":{"a":1}}',
  "the field 'bodyBase64' is no base64": '{"topic":"orders","bodyBase64":"abc"}',
  "it has both 'body' and 'bodyBase64'": '{"topic":"orders","body":"","bodyBase64":""}',
  'it is no UTF-8': Buffer.from('{"topic":"orders","body":"\xff"}', 'latin1'),
  'INVALID_ARGUMENT: queueId is -1': '{"topic":"orders","queueId":-1}',
  "MESSAGE_ILLEGAL: topic '../orders'": '{"topic":"../orders"}',
  PROPERTIES_SIZE_EXCEEDED: JSON.stringify({ topic: 'orders', properties: { a: 'x'.repeat(33_000) } }),
  'MESSAGE_ILLEGAL: message': JSON.stringify({ topic: 'orders', body: 'x'.repeat(5 << 20) }),
}

for (const [reason, line] of Object.entries(bad)) {
  t.test(`a bad line ends with 1 and its number, and keeps what came before: ${reason}`, async (t) => {
    const directory = newDirectory(t)
    const input = Buffer.concat([Buffer.from(`${ndjson(numbered(3))}\n`), Buffer.from(line), Buffer.from(`\n${ndjson(numbered(2))}`)])
    const { code, stdout, stderr } = await append(directory, input)
    t.match({ code, stdout }, { code: 1, stdout: '' })
    t.match(stderr, /^millrace: line 5: .+ Appended before it: 3 messages\.\n$/)
    t.ok(stderr.startsWith(`millrace: line 5: ${reason}`), stderr)
    t.same(
      (await dump(directory)).map(({ body }) => body),
      ['0', '1', '2'],
    )
  })
}

t.test('a store that is open elsewhere is refused with one line', async (t) => {
  const directory = newDirectory(t)
  await openAt(t, directory)
  const { code, stdout, stderr } = await append(directory, ndjson(numbered(1)))
  t.match({ code, stdout }, { code: 1, stdout: '' })
  t.match(stderr, /^millrace: STORE_LOCKED: .+\n$/)
})

t.test('--settings shapes a new store', async (t) => {
  const directory = newDirectory(t)
  const file = join(t.testdir({ 'broker.conf': '' }), 'broker.conf')
  writeFileSync(file, 'brokerName=a\nmappedFileSizeCommitLog=65536\nflushDiskType=SYNC_FLUSH\n')
  t.match(await run(['store', 'append', directory, '--settings', file], ndjson(numbered(500))), { code: 0 })
  const segments = readdirSync(join(directory, 'commitlog'))
  t.same([...new Set(segments.map((name) => statSync(join(directory, 'commitlog', name)).size))], [65536])
  t.equal((await dump(directory)).length, 500)
})

t.test('a torn tail is cut before anything is appended, and said on standard error', async (t) => {
  const { dir, settingsFile, manifest } = fixture('torn-body-4.9')
  const { code, stdout, stderr } = await run(['store', 'append', dir, '--settings', settingsFile], ndjson(numbered(1)))
  t.match({ code, stdout }, { code: 0, stdout: 'appended 1 message\n' })
  t.match(stderr, new RegExp(`^millrace: warning: cut \\d+ bytes off the log at ${manifest.log.maxOffset} .+\n$`))
  t.equal((await dump(dir)).length, manifest.messages.length + 1)
})

t.test('a corrupt store is refused unless --on-corruption cut gives up what lies behind the damage', async (t) => {
  const directory = await corruptStore(t)
  const line = ndjson(numbered(1))
  t.match(await run(['store', 'append', directory], line), { code: 1, stdout: '', stderr: /^millrace: CORRUPT_LOG: .+\n$/ })
  const readOnly = await run(['store', 'append', directory, '--on-corruption', 'readOnly'], line)
  t.match(readOnly, { code: 1, stdout: '', stderr: /STORE_READ_ONLY/ })
  const cut = await run(['store', 'append', directory, '--on-corruption', 'cut'], line)
  t.match(cut, { code: 0, stdout: 'appended 1 message\n', stderr: /^millrace: warning: cut \d+ bytes .+\n$/ })
  t.equal((await dump(directory)).length, 1)
})

t.test('a long input is stored whole and in order', async (t) => {
  const directory = newDirectory(t)
  const count = 50_000
  t.match(await append(directory, ndjson(numbered(count))), { code: 0, stdout: `appended ${count} messages\n` })
  const bodies = (await dump(directory)).map(({ body }) => Number(body))
  t.same(bodies, [...Array(count).keys()])
})

t.test('an interrupt closes the store: what was appended is there, and the exit code is 130', async (t) => {
  const directory = newDirectory(t)
  const child = start('store', 'append', directory, '--settings', settings)
  const end = ended(child)
  child.stdin.write(ndjson(numbered(3)))
  while ((await run(['store', 'dump', directory])).stdout.split('\n').length < 4) {}
  child.kill('SIGINT')
  t.match(await end, { code: 130, stdout: 'appended 3 messages\n', stderr: '' })
  const { stdout } = await run(['store', 'info', directory, '--json'])
  t.match(JSON.parse(stdout), { closedProperly: true, queues: [{ maxOffset: 3 }] })
})

t.test('lines are put together from chunks that end anywhere', async (t) => {
  const text = '{"topic":"ä€😀"}\n\n{"b":2}\n{"c":3}'
  const bytes = Buffer.from(text)
  for (let size = 1; size <= bytes.length; size++) {
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size))
    const groups = await collect(lineGroups(stream(chunks)))
    t.same(groups.flat(), [
      { number: 1, text: '{"topic":"ä€😀"}' },
      { number: 3, text: '{"b":2}' },
      { number: 4, text: '{"c":3}' },
    ])
  }
})

t.test('no more is read before the lines that have come are stored', async (t) => {
  let read = 0
  const chunks = (function* () {
    for (; read < 10; read++) yield Buffer.from(`{"n":${read}}\n`)
  })()
  const seen: Line[] = []
  for await (const group of lineGroups(stream(chunks))) {
    seen.push(...group)
    t.equal(read, seen.length - 1)
  }
  t.equal(seen.length, 10)
})

t.test('a line without an end is refused before it fills the memory', async (t) => {
  const megabyte = Buffer.alloc(1 << 20, 'x')
  let read = 0
  const endless = (function* () {
    for (;;) {
      read++
      yield megabyte
    }
  })()
  await t.rejects(collect(lineGroups(stream(endless))), { message: /^line 1: it is longer than / })
  t.equal(read, 65)
})

async function* stream(chunks: Iterable<Buffer>): AsyncIterableIterator<Buffer> {
  yield* chunks
}

/** The checker against stores that Java wrote, clean and torn, and against every kind of damage made by hand. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { crc32 } from 'node:zlib'
import t, { type Test } from 'tap'
import { type Finding, type MessageStore, verifyStore } from '#src/index.js'
import { newDirectory, openAt, openNew, refusal, small } from '../store/stores.js'
import { allFixtures, type FixtureName, fixture } from '../support/fixtures.js'
import { Random, seed } from '../support/random.js'

t.setTimeout(120_000)

const RECORD_HEAD = 88

/** Written by Java and closed: nothing is wrong with them. */
const clean = [
  'basic-5.3',
  'broker-4.9',
  'broker-5.3',
  'clean-4.9',
  'clean-5.3',
  'consumequeue-ext-4.9',
  'empty-4.9',
  'ipv6-4.9',
  'lmq-4.9',
  'trimmed-4.9',
]
/** Killed: all that was appended is there, and was dispatched. */
const killed = ['crashed-4.9', 'crashed-5.3', 'crashed-late-4.9']
const damaged: Record<string, RegExp> = {
  'log-only-4.9': /^queue units 0 to \d+ are missing/,
  'torn-body-4.9': /^log .*parts do not add up/,
  'torn-crc-4.9': /^log .*CRC/,
  'torn-garbage-4.9': /^log .*magic/,
  'torn-header-4.9': /^log .*parts do not add up/,
}

t.test('all fixtures are looked at', async (t) => {
  t.same([...clean, ...killed, ...Object.keys(damaged)].sort(), [...allFixtures].sort())
})

for (const name of [...clean, ...killed])
  t.test(`nothing is wrong with ${name}`, async (t) => {
    const { dir, manifest, settings } = fixture(name as FixtureName)
    const result = await verifyStore(dir, { settings })
    t.same(result.findings, [])
    t.match(result, { findingCount: 0, closedProperly: !killed.includes(name) })
    t.equal(result.maxLogOffset, manifest.log.maxOffset)
    t.ok(result.records === 0 || result.units > 0)
  })

for (const [name, problem] of Object.entries(damaged))
  t.test(`what is wrong with ${name}`, async (t) => {
    const { dir, settings } = fixture(name as FixtureName)
    const { findings, findingCount } = await verifyStore(dir, { settings })
    t.ok(findingCount > 0)
    t.ok(
      findings.some((finding) => problem.test(`${finding.part} ${finding.problem}`)),
      JSON.stringify(findings.slice(0, 5)),
    )
  })

interface Image {
  directory: string
  records: { logOffset: number; size: number }[]
}

/** A closed store with several files of each kind; made once and copied. */
async function image(t: Test): Promise<Image> {
  made ??= (async () => {
    const store = await openNew(whole, { settings: { ...small, mappedFileSizeConsumeQueue: 4000 } })
    const results = await store.appendBatch(
      Array.from({ length: 1500 }, (_, i) => ({
        topic: `t${i % 3}`,
        queueId: i % 2,
        tags: `tag${i % 5}`,
        keys: [`k${i}`, 'all'],
        body: `${i}`.padEnd(100, '.'),
      })),
    )
    await store.close()
    const kept = `${store.directory}-image`
    await cp(store.directory, kept, { recursive: true })
    return { directory: kept, records: results }
  })()
  const { directory, records } = await made
  const copy = newDirectory(t)
  await cp(directory, copy, { recursive: true })
  return { directory: copy, records }
}
let made: Promise<Image> | undefined
const whole = t

function overwrite(path: string, at: number, bytes: Uint8Array): void {
  writeSync(openSync(path, 'r+'), bytes, 0, bytes.length, at)
}

function flip(path: string, at: number): void {
  overwrite(path, at, Buffer.from([readFileSync(path)[at]! ^ 0x10]))
}

async function findingsOf(directory: string): Promise<Finding[]> {
  return (await verifyStore(directory)).findings
}

const segmentOf = (directory: string, logOffset: number) =>
  [join(directory, 'commitlog', `${Math.floor(logOffset / 65536) * 65536}`.padStart(20, '0')), logOffset % 65536] as const

t.test('a store of ours has nothing wrong, closed, backed up, after retention, and after a crash that was recovered', async (t) => {
  const store = await openNew(t)
  const fill = (from: number) =>
    store.appendBatch(
      Array.from({ length: 1000 }, (_, i) => ({ topic: `t${i % 3}`, keys: `k${from + i}`, tags: `g${i % 4}`, body: 'x'.repeat(i % 200) })),
    )
  await fill(0)
  await store.flush()
  await store.deleteBelow(store.maxLogOffset >> 1)
  await fill(1000)
  const backup = newDirectory(t)
  await store.backup(backup)
  const crashed = newDirectory(t)
  await store.flush()
  await cp(store.directory, crashed, { recursive: true })
  await store.close()
  await (await openAt(t, crashed)).close()
  for (const directory of [store.directory, backup, crashed]) {
    const result = await verifyStore(directory)
    t.match(result, { findingCount: 0, closedProperly: true, minLogOffset: store.minLogOffset })
    t.equal(result.units, result.records)
    t.ok(result.indexEntries > 1000)
  }
})

t.test('a changed byte is found where it lies, of whatever it is that can be checked', async (t) => {
  const random = new Random(seed)
  t.comment(`MILLRACE_SEED=${seed}`)
  for (let round = 0; round < 12; round++) {
    const { directory, records } = await image(t)
    const { logOffset } = records[random.int(records.length)]!
    const [segment, at] = segmentOf(directory, logOffset)
    // size, magic, CRC, queue id, queue offset, log offset, body length, body
    const where = [0, 4, 8, 12, 27, 35, 84, RECORD_HEAD + random.int(100)][round % 8]!
    flip(segment, at + where + (where < 27 ? 3 : 0))
    const findings = await findingsOf(directory)
    t.ok(
      findings.some((finding) => finding.logOffset !== undefined && Math.abs(finding.logOffset - logOffset) < 65536),
      `byte ${where}: ${JSON.stringify(findings[0])}`,
    )
    await rm(directory, { recursive: true })
  }
  for (let round = 0; round < 12; round++) {
    const { directory } = await image(t)
    const queue = join(directory, 'consumequeue', `t${round % 3}`, '1')
    const files = readdirSync(queue).sort()
    const unit = random.int(100)
    flip(join(queue, files[0]!), unit * 20 + [7, 11, 19][round % 3]!)
    t.match(await findingsOf(directory), [{ part: 'queue', path: `consumequeue/t${round % 3}/1`, queueOffset: unit }])
    await rm(directory, { recursive: true })
  }
  for (let round = 0; round < 12; round++) {
    const { directory } = await image(t)
    const name = readdirSync(join(directory, 'index')).sort()[round % 3]!
    const entry = 40 + 4 * small.maxHashSlotNum + 20 * (2 + random.int(150))
    // hash, log offset, seconds, previous; a slot; the header's end, used slots and count
    const where = [entry + 3, entry + 11, entry + 15, entry + 19, 40 + 4 * random.int(small.maxHashSlotNum) + 3, 31, 35, 39][round % 8]!
    flip(join(directory, 'index', name), where)
    const findings = await findingsOf(directory)
    t.ok(findings.length > 0 && findings.every(({ part }) => part === 'index'), `byte ${where}: ${JSON.stringify(findings[0])}`)
    await rm(directory, { recursive: true })
  }
})

t.test('missing, foreign, short, long and linked files', async (t) => {
  const cases: [what: string, damage: (directory: string) => void | Promise<void>, finding: Partial<Finding> & { problem: RegExp }][] = [
    [
      'a queue without files',
      (d) => rm(join(d, 'consumequeue/t0/0'), { recursive: true }),
      { part: 'queue', problem: /units 0 to 249 are missing/ } as never,
    ],
    [
      'a foreign file in the log',
      (d) => writeFileSync(join(d, 'commitlog/notes'), 'x'),
      { part: 'log', problem: /does not belong here/ } as never,
    ],
    [
      'a short segment',
      (d) => truncateSync(join(d, 'commitlog/00000000000000065536'), 1000),
      { part: 'log', problem: /has 1000 bytes/ } as never,
    ],
    ['a missing segment', (d) => rm(join(d, 'commitlog/00000000000000065536')), { part: 'log', problem: /does not follow/ } as never],
    [
      'a linked segment',
      (d) => symlinkSync('/etc/passwd', join(d, 'commitlog/00000000000000999424')),
      { part: 'log', problem: /symbolic link/ } as never,
    ],
    [
      'an empty segment',
      (d) => writeFileSync(join(d, 'commitlog/00000000000009999360'), ''),
      { part: 'log', problem: /no length/ } as never,
    ],
    [
      'a queue file of another length',
      (d) => truncateSync(join(d, 'consumequeue/t0/0/00000000000000000000'), 4020),
      { part: 'queue', problem: /./ } as never,
    ],
    ['a queue of no number', (d) => mkdirSync(join(d, 'consumequeue/t0/x')), { part: 'queue', problem: /no number/ } as never],
    [
      'an index file of no length that fits',
      (d) => truncateSync(join(d, 'index', readdirSync(join(d, 'index')).sort()[0]!), 4000),
      { part: 'index', problem: /has 4000 bytes/ } as never,
    ],
    ['a short checkpoint', (d) => truncateSync(join(d, 'checkpoint'), 100), { part: 'checkpoint', problem: /has 100 bytes/ } as never],
    [
      'a checkpoint from the future',
      (d) => overwrite(join(d, 'checkpoint'), 0, Buffer.from('00000fffffffffff', 'hex')),
      { part: 'checkpoint', problem: /physicMsgTimestamp/ } as never,
    ],
    [
      'a short position',
      (d) => truncateSync(join(d, 'millrace/position'), 512),
      { part: 'position', path: 'millrace/position', problem: /has 512 bytes, not 4608/ } as never,
    ],
    [
      'a damaged position',
      (d) => flip(join(d, 'millrace/position'), 4096 + 23),
      { part: 'position', path: 'millrace/position', problem: /the slot at byte 4096 is damaged/ } as never,
    ],
    [
      'a position behind the end of the log',
      (d) => {
        const path = join(d, 'millrace/position')
        for (const at of [0, 4096]) {
          const slot = readFileSync(path).subarray(at, at + 64)
          slot.writeBigInt64BE(1n << 40n, 24)
          const crc = Buffer.alloc(4)
          crc.writeUInt32BE(crc32(slot))
          overwrite(path, at, Buffer.concat([slot, crc]))
        }
      },
      { part: 'position', problem: /says that the log is dispatched up to 1099511627776; it ends at / } as never,
    ],
    [
      'a damaged table of queues',
      (d) => flip(join(d, 'millrace/queues'), 60),
      { part: 'position', path: 'millrace/queues', problem: /no whole table/ } as never,
    ],
    [
      'a damaged table of topics that were deleted',
      (d) => writeFileSync(join(d, 'millrace/forgotten'), 'MRRFORG1 and no more of it'),
      { part: 'position', path: 'millrace/forgotten', problem: /no whole table of topics/ } as never,
    ],
    [
      'units behind the end of the log',
      (d) =>
        overwrite(
          join(d, 'consumequeue/t0/0/00000000000000004000'),
          50 * 20,
          Buffer.from('0000000000ffffff00000064' + '0000000000000000', 'hex'),
        ),
      { part: 'queue', problem: /behind the end/ } as never,
    ],
    [
      'something behind the end of the log',
      (d) => overwrite(join(d, 'commitlog', readdirSync(join(d, 'commitlog')).sort().at(-1)!), 65000, Buffer.from('x')),
      { part: 'log', problem: /lies something/ } as never,
    ],
    [
      'an index chain that goes in a circle',
      (d) =>
        overwrite(
          join(d, 'index', readdirSync(join(d, 'index')).sort()[0]!),
          40 + 4 * small.maxHashSlotNum + 20 * 5 + 16,
          Buffer.from('00000005', 'hex'),
        ),
      { part: 'index', problem: /entry 5 follows entry 5/ } as never,
    ],
    [
      'a record that says it is as large as memory',
      (d) => overwrite(join(d, 'commitlog/00000000000000000000'), 0, Buffer.from('7fffffff', 'hex')),
      { part: 'log', problem: /cut off/ } as never,
    ],
  ]
  for (const [what, damage, finding] of cases) {
    const { directory } = await image(t)
    await damage(directory)
    const findings = await findingsOf(directory)
    t.ok(
      findings.some(({ part, problem }) => part === finding.part && finding.problem.test(problem)),
      `${what}: ${JSON.stringify(findings.slice(0, 3))}`,
    )
    await rm(directory, { recursive: true })
  }
})

t.test('units of an extension are held against their records', async (t) => {
  const settings = { ...small, enableConsumeQueueExt: true, mappedFileSizeConsumeQueueExt: 4096 }
  const store = await openNew(t, { settings })
  await store.appendBatch(Array.from({ length: 500 }, (_, i) => ({ topic: 'orders', tags: `g${i % 7}`, body: 'x' })))
  await store.close()
  t.match(await verifyStore(store.directory, { settings }), { findings: [], units: 500 })
  const folder = join(store.directory, 'consumequeue_ext/orders/0')
  const files = readdirSync(folder).sort()
  t.ok(files.length > 2)
  const first = join(folder, files[0]!)
  const second = join(folder, files[1]!)
  // size, tag code, store time of the first file's third and fourth unit, and of the second file's first
  flip(first, 2 * 20 + 1)
  flip(first, 3 * 20 + 9)
  flip(second, 17)
  await rm(join(folder, files.at(-1)!))
  const findings = await findingsOf(store.directory)
  const problems = findings.map(({ queueOffset, problem }) => `${queueOffset} ${problem}`)
  t.match(problems[0], /^2 points to byte 40 of the queue's extension, where no unit lies$/)
  t.match(problems[1], /^3 its unit of the extension, at byte 60, has the tag code -?\d+; its message's is \d+$/)
  t.match(problems[2], /^\d+ its unit of the extension, at byte 4096, has the store time -?\d+; its message's is \d+$/)
  t.ok(problems.length > 3 && problems.slice(3).every((problem) => /where no unit lies/.test(problem)), 'those of the last file')
})

t.test('what lies in the way, and what RocketMQ passes over too', async (t) => {
  const { directory } = await image(t)
  writeFileSync(join(directory, 'consumequeue/notes'), 'x')
  writeFileSync(join(directory, 'consumequeue/t0/7'), 'x')
  writeFileSync(join(directory, 'index/notes'), 'x')
  t.same(await findingsOf(directory), [])

  symlinkSync('/etc/passwd', join(directory, 'index/20200101000000000'))
  mkdirSync(join(directory, 'index/20200101000000001'))
  writeFileSync(join(directory, 'index/20200101000000002'), '')
  truncateSync(join(directory, 'commitlog/00000000000000000000'), 3 * 2 ** 30)
  await rm(join(directory, 'checkpoint'))
  symlinkSync('/etc/passwd', join(directory, 'checkpoint'))
  const problems = (await findingsOf(directory)).map(({ part, problem }) => `${part} ${problem}`)
  for (const problem of [
    'index is a symbolic link',
    'index is no file',
    'index has no length: a program died while making it',
    'checkpoint is a symbolic link',
  ])
    t.ok(problems.includes(problem), problem)
  t.ok(problems.some((problem) => /^log has 3221225472 bytes; no setting allows more/.test(problem)))
  await rm(join(directory, 'checkpoint'))
  mkdirSync(join(directory, 'checkpoint'))
  t.ok((await findingsOf(directory)).some(({ part, problem }) => part === 'checkpoint' && problem === 'is no file'))

  const { directory: other } = await image(t)
  const index = join(other, 'index', readdirSync(join(other, 'index')).sort()[0]!)
  overwrite(index, 36, Buffer.from('7fffffff', 'hex'))
  t.match(await findingsOf(other), [{ part: 'index', problem: 'has a header that no index file can have' }])

  await rm(join(other, 'commitlog'), { recursive: true })
  writeFileSync(join(other, 'commitlog'), 'x')
  t.match(await refusal(() => verifyStore(other)), { code: 'IO_ERROR', message: /commitlog/ })
  t.match(await refusal(() => verifyStore(join(other, 'commitlog/x'))), { code: 'IO_ERROR' })
  const stopped = AbortSignal.abort()
  const { directory: large } = await openLarge(t)
  await t.rejects(verifyStore(large, { signal: stopped }), { name: 'AbortError' })
  t.match(await verifyStore(large), { records: 9, units: 9, findings: [] }, 'a record that no piece holds')
})

/** Nine messages of 5 MB in segments of 16 MiB, closed. */
async function openLarge(t: Test): Promise<MessageStore> {
  const store = await openNew(t, { settings: { mappedFileSizeCommitLog: 16 << 20, maxMessageSize: 8 << 20 } })
  for (let i = 0; i < 9; i++) await store.append({ topic: 'large', body: Buffer.alloc(5e6, i + 1) })
  await store.close()
  return store
}

t.test('it tells how far it is, can be stopped, and keeps no more findings than it is asked for', async (t) => {
  const { directory } = await image(t)
  const told: number[] = []
  await verifyStore(directory, { onProgress: (done, total) => told.push(done / total) })
  t.equal(told.at(-1), 1)
  for (const queueId of [0, 1]) await rm(join(directory, 'consumequeue/t0', `${queueId}`), { recursive: true })
  t.match(await verifyStore(directory, { maxFindings: 1 }), { findings: { length: 1 }, findingCount: 2 })
  t.match(await refusal(() => verifyStore(newDirectory(t))), { code: 'NO_STORE' })
  t.match(await refusal(() => verifyStore(directory, { settings: { maxIndexNum: 'x' as never } })), { code: 'INVALID_SETTING' })
  if (process.getuid?.() !== 0) {
    chmodSync(join(directory, 'checkpoint'), 0)
    t.match(await refusal(() => verifyStore(directory)), { code: 'IO_ERROR' })
  }
  t.ok(existsSync(directory))
})

t.test('a store that is written meanwhile is read without harm', async (t) => {
  const store: MessageStore = await openNew(t, { settings: { mappedFileSizeCommitLog: 1 << 20 } })
  let stop = false
  const load = (async () => {
    while (!stop) {
      await store.appendBatch(Array.from({ length: 50 }, () => ({ topic: 't', keys: 'k', body: 'x' })))
      await sleep(1)
    }
  })()
  for (let i = 0; i < 5; i++) t.ok((await verifyStore(store.directory)).records >= 0)
  stop = true
  await load
})

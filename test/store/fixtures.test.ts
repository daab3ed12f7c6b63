/** Every store that RocketMQ wrote opens with what RocketMQ says about it; where millrace answers otherwise, it is said here. */
import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import t, { type Test } from 'tap'
import type { Message, MessageStore } from '#src/index.js'
import {
  allFixtures,
  type Fixture,
  type FixtureName,
  fixture,
  type Manifest,
  type ManifestMessage,
  type ManifestRead,
} from '../support/fixtures.js'
import { bodyOf, collect, openAt } from './stores.js'

t.setTimeout(120_000)

const sha1 = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('hex')

async function manifestOf(message: Message): Promise<ManifestMessage> {
  const { topic, queueId, queueOffset, logOffset, size: storeSize, sysFlag, flag, bodyCrc, body } = message
  const { bornTimestamp, bornHost, storeTimestamp, storeHost, reconsumeTimes, preparedTransactionOffset } = message
  const plain = sysFlag & 1 ? await message.plainBody() : undefined
  return {
    ...{ topic, queueId, queueOffset, logOffset, storeSize, sysFlag, flag, bodyCrc, bodyLength: body.length, bodySha1: sha1(body) },
    ...(plain === undefined ? {} : { plainLength: plain.length, plainSha1: sha1(plain) }),
    ...{ bornTimestamp, bornHost, storeTimestamp, storeHost, reconsumeTimes, preparedTransactionOffset },
    properties: { ...message.properties },
    offsetMsgId: message.messageId,
  }
}

/** The first pair that differs, and how many do: a report of thousands helps nobody. */
function same(t: Test, found: readonly unknown[], expected: readonly unknown[], what: string): void {
  const different = expected.map((_, i) => i).filter((i) => !isDeepStrictEqual(found[i], expected[i]))
  const [first] = different
  if (first !== undefined) t.same(found[first], expected[first], `${what}: ${different.length} differ, the first is ${first}`)
  t.equal(found.length, expected.length, what)
}

/** A pull as RocketMQ tells it. */
async function readOf(store: MessageStore, { topic, queueId, offset, maxNums, tags }: ManifestRead): Promise<Partial<ManifestRead>> {
  const { status, nextOffset, minOffset, maxOffset, messages } = await store.pull({
    ...{ topic, queueId, offset, maxMessages: maxNums },
    ...(tags === null ? {} : { tags }),
  })
  return { status, nextBeginOffset: nextOffset, minOffset, maxOffset, logOffsets: messages.map(({ logOffset }) => logOffset) }
}

/** What each fixture's recovery must report. */
const recoveries: Partial<Record<FixtureName, object>> = {
  'torn-header-4.9': { cleanBefore: false, torn: { logOffset: 587887 } },
  'torn-body-4.9': { cleanBefore: false, torn: { logOffset: 593370 } },
  'torn-crc-4.9': { cleanBefore: false, torn: { logOffset: 595794 } },
  'torn-garbage-4.9': { cleanBefore: false, torn: { logOffset: 592248, bytes: 700 } },
}

async function check(t: Test, name: FixtureName, { dir, settings, manifest }: Fixture): Promise<void> {
  const damage: object[] = []
  const store = await openAt(t, dir, { settings, onDamage: (unit) => damage.push(unit) })
  t.match(store.recovery, { cleanBefore: manifest.recovered.lastExitOk, ...(recoveries[name] ?? { torn: undefined }) }, 'the report')

  const messages: ManifestMessage[] = []
  for await (const message of store.records()) messages.push(await manifestOf(message))
  same(t, messages, manifest.messages, 'every message, field by field')
  // An empty log has no first segment; RocketMQ says -1, millrace 0.
  t.same([store.minLogOffset, store.maxLogOffset], [Math.max(0, manifest.log.minOffset), manifest.log.maxOffset], 'the bounds of the log')

  const queues = manifest.queues.filter(({ topic }) => !(name === 'trimmed-4.9' && topic === 'Old'))
  const known = new Map(store.queues().map((queue) => [`${queue.topic} ${queue.queueId}`, queue]))
  same(
    t,
    queues.map(({ topic, queueId }) => known.get(`${topic} ${queueId}`)),
    queues.map(({ topic, queueId, minOffset, maxOffset }) => ({ topic, queueId, minOffset, maxOffset })),
    'the bounds of each queue',
  )
  t.equal(known.size, manifest.queues.length, 'and no other queue')
  for (const { topic, queueId, entries } of queues) {
    const units = [...store.consumeQueue(topic, queueId).units()].map(({ logOffset, size, tagCode }) => [logOffset, size, tagCode])
    same(
      t,
      units,
      entries.map((entry) => entry.slice(0, 3)),
      `the units of ${topic} ${queueId}`,
    )
  }

  const tagsAt = new Map(manifest.messages.map(({ logOffset, properties }) => [logOffset, properties.TAGS]))
  const collided: { read: ManifestRead; found: number[]; wanted: number[]; further: boolean }[] = []
  const answered: object[] = []
  const asked: ManifestRead[] = []
  for (const read of manifest.reads) {
    // Below zero is no queue offset here: a pull refuses it.
    if (read.offset < 0) continue
    // An expired unit of RocketMQ's, which it reads as found: see the test below.
    if (name === 'trimmed-4.9' && read.topic === 'Old') continue
    const wanted = new Set(read.tags?.split('||').map((tag) => tag.trim()))
    const exact = (logOffset: number): boolean => read.tags === null || wanted.has(tagsAt.get(logOffset) ?? '')
    if (!read.logOffsets.every(exact)) {
      // RocketMQ's store compares hashes alone and leaves the tags to its clients; a pull gives the exact ones, and may come further for it.
      const { nextBeginOffset, logOffsets } = (await readOf(store, read)) as ManifestRead
      const entries = manifest.queues.find(({ topic, queueId }) => topic === read.topic && queueId === read.queueId)?.entries ?? []
      const passed = entries.slice(read.offset - read.minOffset, nextBeginOffset - read.minOffset).map(([logOffset]) => logOffset)
      collided.push({ read, found: [...logOffsets], wanted: passed.filter(exact), further: nextBeginOffset >= read.nextBeginOffset })
      continue
    }
    asked.push(read)
    answered.push(await readOf(store, read))
  }
  const wrong = collided.filter(({ found, wanted, further }) => !further || !isDeepStrictEqual(found, wanted))
  t.same([wrong.length, wrong[0]], [0, undefined], `${collided.length} reads of tags that share a hash with others`)
  same(
    t,
    answered,
    asked.map(({ status, nextBeginOffset, minOffset, maxOffset, logOffsets }) => ({
      status,
      nextBeginOffset,
      minOffset,
      maxOffset,
      logOffsets: [...logOffsets],
    })),
    'every read',
  )

  const missing: object[] = []
  for (const query of manifest.queries) {
    const { topic, key, maxNum, begin, end } = query
    // The index may speak of messages that retention has taken since (trimmed-4.9): whoever reads them finds none.
    const offsets = store.index.query(topic, key, { limit: maxNum, begin, end }).filter((logOffset) => logOffset >= store.minLogOffset)
    const found = [...new Set(offsets)].sort((a, b) => a - b)
    const expected = [...new Set(query.logOffsets)].sort((a, b) => a - b)
    // crashed-late-4.9: RocketMQ has lost the entries of the first records; finding them too is better.
    const fine = name === 'crashed-late-4.9' ? expected.every((logOffset) => found.includes(logOffset)) : isDeepStrictEqual(found, expected)
    if (!fine) missing.push({ query, found })
  }
  t.same([missing.length, missing[0]], [0, undefined], 'every query of the index')
  await checkTimes(t, store, name, manifest)
  t.same(damage, [], 'no unit is damaged')

  await checkGoesOn(t, store, dir, settings, manifest.messages.length)
}

/** Offsets by time as the release that wrote the store finds them, and by RocketMQ 5's rules what the messages themselves say. */
async function checkTimes(t: Test, store: MessageStore, name: FixtureName, { offsetByTime, queues, messages }: Manifest): Promise<void> {
  const rule = name.endsWith('-5.3') ? 'lower' : 'nearest'
  const asked = offsetByTime.filter(({ topic }) => !(name === 'trimmed-4.9' && topic === 'Old'))
  const found = await Promise.all(
    asked.map(({ topic, queueId, timestamp }) => store.offsetByTime({ topic, queueId, time: timestamp, rule })),
  )
  same(
    t,
    found.map((offset, i) => ({ ...asked[i], offset })),
    asked.map((row) => ({ ...row })),
    `${asked.length} offsets by time`,
  )
  const timeAt = new Map(messages.map(({ logOffset, storeTimestamp }) => [logOffset, storeTimestamp]))
  for (const { topic, queueId, minOffset, entries } of queues) {
    const times = entries.map(([logOffset]) => timeAt.get(logOffset) as number)
    if (times.length === 0 || times.includes(undefined as never) || !isSorted(times)) continue
    const [earliest, latest] = [times[0] as number, times.at(-1) as number]
    t.same(await store.timeSpan({ topic, queueId }), { earliest, latest })
    for (const time of new Set([0, earliest - 1, ...times, latest + 1])) {
      const first = times.findIndex((stored) => stored >= time)
      const last = times.findLastIndex((stored) => stored <= time)
      const answers = [
        await store.offsetByTime({ topic, queueId, time }),
        await store.offsetByTime({ topic, queueId, time, rule: 'upper' }),
      ]
      const expected = [minOffset + (first < 0 ? times.length : first), minOffset + Math.max(0, last)]
      if (!isDeepStrictEqual(answers, expected)) t.same(answers, expected, `${topic} ${queueId} at ${time}`)
    }
  }
}

const isSorted = (times: readonly number[]): boolean => times.every((time, i) => i === 0 || time >= (times[i - 1] as number))

/** A store that RocketMQ wrote takes more, closes, and opens clean with all of it. */
async function checkGoesOn(t: Test, store: MessageStore, dir: string, settings: object, before: number): Promise<void> {
  for (let i = 0; i < 30; i++) await store.append({ topic: 'added', keys: `added${i}`, body: `${i}` })
  await store.close()
  const again = await openAt(t, dir, { settings })
  t.match(again.recovery, { cleanBefore: true, torn: undefined, rebuiltQueues: [] }, 'clean when it was closed')
  t.equal((await collect(again.records())).length, before + 30)
  t.same(
    (await collect(again.messages({ topic: 'added', queueId: 0 }))).map(bodyOf),
    Array.from({ length: 30 }, (_, i) => `${i}`),
  )
  for (const i of [0, 29]) t.ok(again.index.query('added', `added${i}`).length > 0, `added${i} is found by its key`)
  await again.close()
}

for (const name of allFixtures) t.test(`${name} opens with what its manifest says, and goes on`, async (t) => check(t, name, fixture(name)))

t.test('trimmed-4.9: the queue whose last message has expired is empty and keeps its number', async (t) => {
  const { dir, settings } = fixture('trimmed-4.9')
  const store = await openAt(t, dir, { settings })
  t.same(store.bounds('Old', 0), { minOffset: 1, maxOffset: 1 })
  t.match(await store.pull({ topic: 'Old', queueId: 0, offset: 0 }), { status: 'OFFSET_TOO_SMALL', nextOffset: 1 })
  t.equal((await store.append({ topic: 'Old' })).queueOffset, 1)
})

t.test('crashed-late-4.9: the keys of the first messages are found, which RocketMQ has lost', async (t) => {
  const { dir, settings, manifest } = fixture('crashed-late-4.9')
  const store = await openAt(t, dir, { settings })
  for (const { topic, properties, logOffset, sysFlag } of manifest.messages) {
    if ((sysFlag & 12) === 12) continue
    for (const key of (properties.KEYS ?? '').split(' ').filter((word) => word !== ''))
      if (!store.index.query(topic, key, { limit: 5000 }).includes(logOffset)) return t.fail(`${key} of ${logOffset}`)
  }
  return t.pass('all are there')
})

t.test('every fixture opens for reading with the same messages, and not a byte changes', async (t) => {
  const { readdirSync, readFileSync } = await import('node:fs')
  const { join } = await import('node:path')
  const digest = (dir: string): string[] =>
    (readdirSync(dir, { recursive: true }) as string[]).sort().map((path) => {
      try {
        return `${path} ${sha1(readFileSync(join(dir, path)))}`
      } catch {
        return path
      }
    })
  for (const name of allFixtures) {
    const { dir, settings, manifest } = fixture(name)
    const before = digest(dir)
    const store = await openAt(t, dir, { settings, readOnly: true })
    const messages = await collect(store.records())
    t.equal(messages.length, manifest.messages.length, name)
    for (const { topic, queueId, minOffset, maxOffset } of manifest.queues) {
      if (name === 'trimmed-4.9' && topic === 'Old') continue
      if (!isDeepStrictEqual(store.bounds(topic, queueId), { minOffset, maxOffset }))
        t.same(store.bounds(topic, queueId), { minOffset, maxOffset }, `${name} ${topic}`)
    }
    await store.close()
    t.same(digest(dir), before, `${name} is as it was`)
  }
})

t.test('clean-4.9: what RocketMQ refused is refused', async (t) => {
  const { dir, settings, manifest } = fixture('clean-4.9')
  const store = await openAt(t, dir, { settings })
  t.same(
    manifest.refused?.map(([status]) => status),
    ['MESSAGE_ILLEGAL', 'MESSAGE_ILLEGAL', 'MESSAGE_ILLEGAL'],
  )
  const refused = [
    { topic: 'a'.repeat(128) },
    { topic: 'a', properties: { p: 'x'.repeat(32768) } },
    { topic: 'a', body: Buffer.alloc(60001) },
  ]
  const codes = await Promise.all(
    refused.map((message) =>
      store.append(message).then(
        () => 'taken',
        (error) => error.code,
      ),
    ),
  )
  t.same(codes, ['MESSAGE_ILLEGAL', 'PROPERTIES_SIZE_EXCEEDED', 'MESSAGE_ILLEGAL'], 'properties have a code of their own, as in RocketMQ 5')
})

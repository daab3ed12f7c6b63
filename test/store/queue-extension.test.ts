/** Queues with an extension, as the setting enableConsumeQueueExt has it. */
import t from 'tap'
import { format, type MessageStore, verifyStore } from '#src/index.js'
import { fixture } from '../support/fixtures.js'
import { readExtension } from '../support/store-files.js'
import { bodyOf, collect, newDirectory, openAt, openNew, refusal, small } from './stores.js'

const settings = { ...small, mappedFileSizeConsumeQueue: 4000, enableConsumeQueueExt: true, mappedFileSizeConsumeQueueExt: 1000 }

/** Tag code, store time and filter bits of each message of a queue; undefined for a unit without an extension unit. */
function extensionOf(store: MessageStore, topic: string, queueId: number) {
  const { from, bytes } = readExtension(store.directory, topic, queueId)
  return [...store.consumeQueue(topic, queueId).units()].map(({ tagCode }) => {
    const offset = format.extensionOffset(tagCode)
    return offset === undefined ? undefined : format.readExtensionUnit(bytes, offset - from)
  })
}

t.test('consumequeue-ext-4.9: Java’s units stay as they are, and new ones follow', async (t) => {
  const { dir, settings, manifest } = fixture('consumequeue-ext-4.9')
  const store = await openAt(t, dir, { settings })
  const { topic, queueId, entries } = manifest.queues[0]!
  const results = []
  for (let i = 0; i < 60; i++) results.push(await store.append({ topic, queueId, tags: `tag${i}` }))
  await store.flush()
  const units = extensionOf(store, topic, queueId)
  t.same(
    units.slice(0, entries.length).map((unit) => [unit?.tagCode, unit?.storeTimestamp]),
    entries.map(([, , , tagCode, storeTimestamp]) => [tagCode, storeTimestamp]),
  )
  t.same(
    units.slice(entries.length),
    results.map(({ storeTimestamp }, i) => ({
      ...{ size: 20, tagCode: BigInt(format.tagHash(`tag${i}`)), storeTimestamp, filterBits: undefined },
    })),
  )
  await store.close()
  t.same((await verifyStore(dir, { settings })).findings, [])
})

t.test(
  'messages are found by tags, delayed ones and those of further queues have what Java gives them, and a backup has all of it',
  async (t) => {
    const store = await openNew(t, { settings: { ...settings, enableMultiDispatch: true } })
    for (let i = 0; i < 100; i++)
      await store.append({
        topic: 'orders',
        body: `${i}`,
        tags: i % 10 === 0 ? 'tenth' : 'other',
        properties: { INNER_MULTI_DISPATCH: 'side' },
      })
    const delayed = await store.append({ topic: 'SCHEDULE_TOPIC_XXXX', queueId: 1, properties: { DELAY: '2' } })
    const tenth = Array.from({ length: 10 }, (_, i) => `${10 * i}`)
    for (const topic of ['orders', 'side']) t.same((await collect(store.messages({ topic, queueId: 0, tags: 'tenth' }))).map(bodyOf), tenth)
    t.equal((await store.pull({ topic: 'orders', queueId: 0, offset: 0, maxMessages: 3, tags: 'tenth' })).messages.length, 3)
    t.equal((await store.pullRanges({ topic: 'orders', queueId: 0, offset: 0, tags: 'tenth' })).count, 10)
    await store.flush()
    t.match(extensionOf(store, 'SCHEDULE_TOPIC_XXXX', 1), [{ tagCode: BigInt(delayed.storeTimestamp + 5000) }])
    t.ok(extensionOf(store, 'side', 0).every((unit) => unit === undefined))

    const backup = newDirectory(t)
    await store.backup(backup)
    const copy = await openAt(t, backup, { settings: { ...settings, enableMultiDispatch: true } })
    t.same(extensionOf(copy, 'orders', 0), extensionOf(store, 'orders', 0))
    t.same(copy.recovery.rebuiltQueues, [])
  },
)

t.test('another length of files than the setting says is refused with the one that was found', async (t) => {
  const store = await openNew(t, { settings })
  await store.append({ topic: 'orders' })
  await store.close()
  const other = { ...settings, mappedFileSizeConsumeQueueExt: 2000 }
  t.match(await refusal(() => openAt(t, store.directory, { settings: other })), { code: 'SEGMENT_SIZE_MISMATCH', foundBytes: 1000 })
  const { mappedFileSizeConsumeQueueExt: _, ...found } = settings
  const again = await openAt(t, store.directory, { settings: found })
  await again.append({ topic: 'orders' })
  await again.flush()
  t.equal(extensionOf(again, 'orders', 0).filter((unit) => unit !== undefined).length, 2)
})

t.test('a length in which no unit finds room leaves out the extension', async (t) => {
  const store = await openNew(t, { settings: { ...settings, mappedFileSizeConsumeQueueExt: 23 } })
  await store.append({ topic: 'orders', tags: 'a' })
  t.equal([...store.consumeQueue('orders', 0).units()][0]?.tagCode, 97n)
})

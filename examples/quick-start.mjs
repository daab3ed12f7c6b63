// The store in a few lines: append, pull, follow. Run it with `node examples/quick-start.mjs`.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MessageStore } from 'millrace'

const directory = await mkdtemp(join(tmpdir(), 'millrace-quick-start-'))

// Asynchronous flush, RocketMQ's default: an append settles when its record is in the page cache. It survives the death of this process;
// a power cut may take what was appended in the last half second, or in the last ten where little is appended.
const store = await MessageStore.open(directory, { flush: 'async' })

const { status, logOffset, queueOffset, messageId } = await store.append({
  topic: 'orders',
  queueId: 0,
  body: JSON.stringify({ order: 'o-1', amount: 12.5 }),
  tags: 'paid',
  keys: ['o-1'],
})
console.log(`${status}: message ${queueOffset} of its queue, at log offset ${logOffset}, id ${messageId}`)

// Many messages in one call: all of them are checked before any is written.
await store.appendBatch([
  { topic: 'orders', body: 'o-2', tags: 'cancelled', keys: ['o-2'] },
  { topic: 'orders', body: 'o-3', tags: 'refunded', keys: ['o-3'] },
])

// A page of a queue, filtered by tag.
const page = await store.pull({ topic: 'orders', queueId: 0, offset: 0, maxMessages: 32, tags: 'paid || refunded' })
for (const { queueOffset, tags, body } of page.messages) console.log(`pulled ${queueOffset} (${tags}): ${body}`)

// Following a queue: old messages first, then new ones as they come, until the signal stops it.
const controller = new AbortController()
const following = (async () => {
  for await (const { queueOffset, body } of store.messages({ topic: 'orders', queueId: 0, follow: true, signal: controller.signal })) {
    console.log(`followed ${queueOffset}: ${body}`)
    if (body.toString() === 'the last one') controller.abort()
  }
})()
await store.append({ topic: 'orders', body: 'o-4', tags: 'paid' })
await store.append({ topic: 'orders', body: 'the last one' })
await following
await store.close()

// Synchronous flush: an append settles after an fdatasync that covers its record, so it survives a power cut. Appends that wait share one.
const safe = await MessageStore.open(directory, { flush: 'sync' })
const appended = await safe.append({ topic: 'orders', body: 'written down' })
console.log(`${appended.status}: on disk up to log offset ${safe.flushedLogOffset}`)
await safe.close()

await rm(directory, { recursive: true })

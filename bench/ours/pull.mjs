// Appends `count` messages, then pulls 32 at a time from first to last and again: how=ranges (where each lies) | copied (one Buffer, used again) | fresh (a
// Buffer for each pull) | decoded.
import { appendAll, options, QUEUES, TOPIC, timeReads } from '../workload.mjs'
import { openStore } from './open.mjs'

const store = await openStore()
await appendAll(store, 0, options.count)

const into = options.how === 'copied' ? Buffer.allocUnsafeSlow(256 << 10) : undefined
const hows = {
  async ranges(request) {
    const page = await store.pullRanges(request)
    return { read: page.count, next: page.nextOffset }
  },
  async copied(request) {
    const page = await store.pullRaw(request)
    return { read: page.count, next: page.nextOffset }
  },
  async decoded(request) {
    const page = await store.pull(request)
    let bytes = 0
    for (const found of page.messages) bytes += found.body.length
    if (bytes !== page.messages.length * options.body) throw new Error(`${bytes} bytes in ${page.messages.length} messages`)
    return { read: page.messages.length, next: page.nextOffset }
  },
}
hows.fresh = hows.copied
const pull = hows[options.how]

await timeReads(async () => {
  let messages = 0
  for (let queueId = 0; queueId < QUEUES; queueId++) {
    for (let offset = 0; ; ) {
      const { read, next } = await pull({ topic: TOPIC, queueId, offset, maxMessages: 32, into })
      if (read === 0) break
      messages += read
      offset = next
    }
  }
  if (messages !== options.count) throw new Error(`pulled ${messages} of ${options.count} messages`)
  return messages
})
await store.close()

// how=append (so many in flight) | appendBatch | appendSync, with flush=async|sync; finish=sync puts everything on disk inside the time.
import { inFlight, message, options, timeAppends } from '../workload.mjs'
import { openStore } from './open.mjs'

const store = await openStore()
let refused = 0
const take = (result) => {
  if (result.status !== 'PUT_OK' || result.logOffset < 0) refused++
}

const hows = {
  append: (from, to) => inFlight(options.inFlight, from, to, (i) => store.append(message(i)), take),
  async appendBatch(from, to) {
    for (let i = from; i < to; i += options.batch) {
      const messages = []
      for (let j = i; j < Math.min(to, i + options.batch); j++) messages.push(message(j))
      for (const result of await store.appendBatch(messages)) take(result)
    }
  },
  async appendSync(from, to) {
    for (let i = from; i < to; i++) take(store.appendSync(message(i)))
  },
}

await timeAppends(hows[options.how], {
  prepare: () => store.flush(),
  ...(options.finish === 'sync' && { finish: () => store.flush() }),
  counters() {
    const { copied, written, populatedBytes, refaultedPages, syncs } = store.commitLog.statistics
    return { copied, written, populatedBytes, refaultedPages, syncs }
  },
})
if (refused > 0) throw new Error(`${refused} messages were not stored`)
await store.close()

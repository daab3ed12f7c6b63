// The floor of the rows in a burst: what Node takes for the calls alone. The same messages are made and their fields read, results of the same kind are made
// and read, and nothing is stored.
//   how=append       a promise a message, so many in flight; a microtask settles all that wait
//   how=appendBatch  an array of messages in, an array of results out
//   how=pull         the same, and a Buffer with 32 bodies in an array for each pull: what Node takes of memory
import { inFlight, message, options, recordBytes, timeAppends, watchMemory } from '../workload.mjs'

let logOffset = 0
let refused = 0
const take = (result) => {
  if (result.status !== 'PUT_OK' || result.logOffset < 0) refused++
}

function store({ topic, queueId, body, tags, keys = '' }) {
  const size = 91 + body.length + topic.length + tags.length + keys.length
  if (queueId < 0) refused++
  const result = { status: 'PUT_OK', logOffset, queueOffset: logOffset, size, storeTimestamp: 0 }
  logOffset += size
  return result
}

let waiting = []
let results = []
function settle() {
  const [resolves, settled] = [waiting, results]
  waiting = []
  results = []
  for (let i = 0; i < resolves.length; i++) resolves[i](settled[i])
}

const append = (message) =>
  new Promise((resolve) => {
    results.push(store(message))
    if (waiting.push(resolve) === 1) queueMicrotask(settle)
  })

const hows = {
  append: (from, to) => inFlight(options.inFlight, from, to, (i) => append(message(i)), take),
  async appendBatch(from, to) {
    for (let i = from; i < to; i += options.batch) {
      const messages = []
      for (let j = i; j < Math.min(to, i + options.batch); j++) messages.push(message(j))
      for (const result of await Promise.resolve(messages.map(store))) take(result)
    }
  },
}

const appendBatch = async (messages) => messages.map(store)

async function pull({ maxMessages }) {
  const bytes = Buffer.alloc(maxMessages * recordBytes(), 1)
  return {
    messages: Array.from({ length: maxMessages }, (_, i) => ({
      body: bytes.subarray(i * recordBytes(), i * recordBytes() + options.body),
    })),
  }
}

await (options.how === 'pull' ? watchMemory({ appendBatch, pull }) : timeAppends(hows[options.how]))
if (refused > 0) throw new Error(`${refused} messages were not taken`)

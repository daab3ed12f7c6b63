// What a store of `bytes` takes of memory beside the page cache while it is appended to and pulled, decoded.
import { watchMemory } from '../workload.mjs'
import { openStore } from './open.mjs'

const store = await openStore()
await watchMemory({ appendBatch: (messages) => store.appendBatch(messages), pull: (request) => store.pull(request) })
await store.close()

// Appends `count` messages in batches and closes the store: what other trials open, in a process that has nothing of it in memory.
import { appendAll, options } from '../workload.mjs'
import { openStore } from './open.mjs'

const store = await openStore()
await appendAll(store, 0, options.count)
await store.close()

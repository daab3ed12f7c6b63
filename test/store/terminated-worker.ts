/** A worker that says when it has begun a call whose answer it will not live to see. */
import { parentPort, workerData } from 'node:worker_threads'
import { MessageStore } from '#src/index.js'
import { collect, numbered, type TestOptions } from './stores.js'

const { directory, settings, what } = workerData as { directory: string; settings: object; what: 'open' | 'flush' | 'close' | 'records' }
void run()

async function run(): Promise<void> {
  // Some call on files of the open, or of what follows it, lasts a while.
  const faults = what === 'open' ? 'sync_dir:delay=15:times=1' : 'sync_data:delay=15:after=3'
  const opening = MessageStore.open(directory, { settings, faults } as TestOptions)
  if (what === 'open') return void parentPort?.postMessage('begun')
  const store = await opening
  await store.appendBatch(numbered(3))
  const work = { flush: () => store.flush(), close: () => store.close(), records: () => collect(store.records()) }
  void work[what]()
  parentPort?.postMessage('begun')
}

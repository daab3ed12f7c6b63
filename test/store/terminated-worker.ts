/** A worker that says when it has begun a call whose answer it will not live to see. */
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { MessageStore } from '#src/index.js'
import { collect, numbered, type TestOptions } from './stores.js'

const { directory, settings, what } = workerData as { directory: string; settings: object; what: What }
type What = 'open' | 'flush' | 'close' | 'records' | 'pull'
void (what === 'pull' ? pullCold() : run())

async function run(): Promise<void> {
  // Some call on files of the open, or of what follows it, lasts a while.
  const faults = what === 'open' ? 'sync_dir:delay=15:times=1' : 'sync_data:delay=15:after=3'
  const opening = MessageStore.open(directory, { settings, faults } as TestOptions)
  if (what === 'open') return void parentPort?.postMessage('begun')
  const store = await opening
  await store.appendBatch(numbered(3))
  const work: Record<string, () => Promise<unknown>> = {
    flush: () => store.flush(),
    close: () => store.close(),
    records: () => collect(store.records()),
  }
  void work[what]?.()
  parentPort?.postMessage('begun')
}

/** Reads from pages that are not in memory: on the pool, and slowly. */
async function pullCold(): Promise<void> {
  const first = await MessageStore.open(directory, { settings })
  await first.appendBatch([...numbered(3), ...Array.from({ length: 200 }, () => ({ topic: 'cold', body: Buffer.alloc(900) }))])
  await first.close()
  for (const name of readdirSync(join(directory, 'commitlog')))
    execFileSync('dd', [`of=${join(directory, 'commitlog', name)}`, 'oflag=nocache', 'conv=notrunc', 'count=0', 'status=none'], {
      input: '',
    })
  const store = await MessageStore.open(directory, { settings, faults: 'read:delay=30:path=/consumequeue/' } as TestOptions)
  for (const pull of ['pull', 'pullRaw', 'pullRanges'] as const) void store[pull]({ topic: 'cold', queueId: 0, offset: 0 })
  parentPort?.postMessage('begun')
}

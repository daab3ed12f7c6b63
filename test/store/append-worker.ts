/** A worker that appends to a store of another thread, and counts what was acknowledged where everybody sees it. */
import { parentPort, workerData } from 'node:worker_threads'
import { MessageStore, type StoreHandle } from '#src/index.js'

export interface AppendWork {
  handle: StoreHandle
  topic: string
  /** How many; without it, for ever. */
  count?: number
  /** Acknowledged so far, at `slot`. */
  acknowledged: Int32Array
  slot: number
}

const { handle, topic, count = Number.POSITIVE_INFINITY, acknowledged, slot } = workerData as AppendWork
void run()

async function run(): Promise<void> {
  const store = MessageStore.attach(handle)
  const done = (n: number): void => void Atomics.add(acknowledged, slot, n)
  for (let i = 0; i < count; ) {
    const several = Array.from({ length: Math.min(8, count - i) }, (_, n) => ({ topic, keys: `${topic}-${i + n}`, body: `${i + n}` }))
    switch ((i / 8) % 4) {
      case 0:
        await Promise.all(several.map((message) => store.append(message)))
        done(several.length)
        break
      case 1:
        for (const message of several) {
          store.appendSync(message)
          done(1)
        }
        break
      case 2:
        store.appendBatchSync(several)
        done(several.length)
        break
      default:
        await store.appendBatch(several)
        done(several.length)
        await store.pull({ topic, queueId: 0, offset: Math.max(0, i - 20) })
    }
    i += several.length
  }
  await store.close()
  parentPort?.postMessage('closed')
}

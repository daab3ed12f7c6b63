/** A worker that is terminated between the beginning of an open and its answer leaves nothing open behind it. */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { bodiesOf, newDirectory, openAt, small } from './stores.js'

t.setTimeout(60_000)

t.test('a worker that is terminated while it opens, flushes, closes or reads a store does not keep it', async (t) => {
  for (const what of ['open', 'flush', 'close', 'records', 'pull'] as const) {
    for (const delay of what === 'open' ? [0, 6, 12] : [0, 8]) {
      const directory = newDirectory(t)
      const worker = new Worker(new URL('terminated-worker.js', import.meta.url), { workerData: { directory, settings: small, what } })
      await once(worker, 'message')
      await sleep(delay)
      await worker.terminate()
      const store = await openAt(t, directory).catch((error) => void t.fail(`${what}, after ${delay} ms: ${error}`))
      if (store === undefined) return
      if (what !== 'open') t.same(await bodiesOf(store, 'orders'), ['0', '1', '2'], what)
      t.equal((await store.append({ topic: 'orders' })).status, 'PUT_OK')
      await store.close()
    }
  }
})

/** A process that ends in the middle of something. Its arguments: a directory, what it does, and a plan of failures. */
import { once } from 'node:events'
import { writeSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { Worker } from 'node:worker_threads'
import { MessageStore, TransferTarget } from '#src/index.js'
import { small, type TestOptions } from './stores.js'

const [, , directory = '', what = '', faults = ''] = process.argv
void run()

async function run(): Promise<void> {
  const options: TestOptions = { flush: 'sync', settings: small, ...(faults === '' ? {} : { faults }) }
  const store = await MessageStore.open(directory, options)
  for (let i = 0; i < 10; i++) await store.append({ topic: 'orders', body: `${i}` })
  switch (what) {
    case 'exit while a flush is waited for':
      for (let i = 10; i < 20; i++) void store.append({ topic: 'orders', body: `${i}` })
      await new Promise((resolve) => setTimeout(resolve, 50))
      break
    case 'exit in the tick of an append':
      void store.append({ topic: 'orders', body: '10' })
      break
    case 'exit while closing':
      void store.close()
      break
    case 'exit while a worker appends': {
      const acknowledged = new Int32Array(new SharedArrayBuffer(4))
      const workerData = { handle: store.handle, topic: 'worker', acknowledged, slot: 0 }
      new Worker(new URL('append-worker.js', import.meta.url), { workerData })
      while (Atomics.load(acknowledged, 0) < 50) await new Promise((resolve) => setTimeout(resolve, 1))
      break
    }
    case 'exit while a transfer waits for its reader': {
      const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1')
      await once(server, 'listening')
      const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
      await once(socket, 'connect')
      const target = TransferTarget.of(socket)
      const ranges = new Float64Array(20_000).map((_, i) => (i % 2 ? store.maxLogOffset : 0))
      store.transfer(target, { ranges }).catch(() => {})
      await new Promise((resolve) => setTimeout(resolve, 50))
      if (target.idle) throw new Error('nothing waits')
      break
    }
    case 'end without closing':
      writeSync(1, 'ending\n')
      return
    case 'throw':
      throw new Error('on purpose')
  }
  writeSync(1, 'ending\n')
  process.exit(0)
}

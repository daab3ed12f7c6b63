// What a queue takes: two stores get the same messages, one in `queues` queues and one in four, each in a process of its own; they rest for `rest` seconds
// side by side. `bytes`: the difference of what the processes have of their own, page tables included, garbage collected. `slabBytes`: the same of the kernel's
// slab, which is one for all: what both stores added to it, less twice what the one with four queues did.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { ownMemory, slabBytes } from '../memory.mjs'
import { appendAll, options, print } from '../workload.mjs'
import { openStore } from './open.mjs'

const { count, queues, rest = 600 } = options

async function child() {
  // Where the rest is shorter than a minute, a checkpoint falls into it all the same.
  const store = await openStore({ checkpointIntervalMs: Math.min(60_000, rest * 300) })
  await appendAll(store, 0, count)
  process.send({})
  await once(process, 'message')
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc')
  for (let i = 0; i < 3; i++) collect()
  process.send(ownMemory())
  await once(process, 'message')
  await store.close()
  process.disconnect()
}

/** A process whose store has got everything. */
async function start(name, more) {
  const args = { ...options, ...more, dir: join(options.dir, name) }
  const store = fork(
    fileURLToPath(import.meta.url),
    Object.entries(args).map(([key, value]) => `${key}=${value}`),
  )
  await answerOf(store)
  return store
}

async function answerOf(store) {
  const ended = once(store, 'exit').then(([code, signal]) => {
    throw new Error(`the process of a store ended with ${signal ?? code}`)
  })
  const [answer] = await Promise.race([once(store, 'message'), ended])
  return answer
}

async function measured(store) {
  store.send('measure')
  const memory = await answerOf(store)
  store.send('end')
  await once(store, 'exit')
  return memory
}

async function parent() {
  const empty = slabBytes()
  const few = await start('few', { queues: 4, topics: 1 })
  const slabOfFew = slabBytes() - empty
  const many = await start('many', {})
  await sleep(rest * 1000)
  const slab = slabBytes() - empty - 2 * slabOfFew
  const [of4, ofMany] = [await measured(few), await measured(many)]
  const anonymousBytes = (ofMany.anonymous - of4.anonymous) / queues
  const pageTableBytes = (ofMany.pageTables - of4.pageTables) / queues
  print({ bytes: anonymousBytes + pageTableBytes, anonymousBytes, pageTableBytes, slabBytes: slab / queues })
}

await (process.send ? child() : parent())

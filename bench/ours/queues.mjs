// A store with many queues, each of which gets `units` messages.
//   how=create  the first message of each, 1,000 in flight, in a store that has been appended to; `flushedRate`: and flush()
//   how=open    opened, after it was closed properly; `slabBytes`: what that adds to the kernel's slab, a queue
//   how=flush   one more message each, the log on disk, then flush()
import { setTimeout as sleep } from 'node:timers/promises'
import { slabBytes } from '../memory.mjs'
import { appendAll, inFlight, message, options, print, QUEUES, startClock } from '../workload.mjs'
import { haveWritten, openStore } from './open.mjs'

const WARM_UP = 50_000
const { units = 1 } = options
// The trial alone says when; what was appended is flushed whole, without leaving a few pages for later.
const open = () =>
  openStore({ checkpointIntervalMs: 3_600_000, settings: { messageIndexEnable: options.keys !== 0, flushCommitLogLeastPages: 0 } })

const hows = {
  async create() {
    const store = await open()
    await inFlight(options.inFlight, 0, WARM_UP, (i) => store.append({ ...message(i), topic: 'warm0', queueId: i % 4 }))
    const clock = startClock()
    await inFlight(options.inFlight, 0, QUEUES, (i) => store.append(message(i)))
    const seconds = clock.seconds()
    const cpuMicroseconds = clock.cpuMicroseconds() / QUEUES
    await store.flush()
    print({ rate: QUEUES / seconds, cpuMicroseconds, flushedRate: QUEUES / clock.seconds() })
    return store
  },

  async open() {
    haveWritten(units * QUEUES)
    const slab = slabBytes()
    const clock = startClock()
    const store = await open()
    const milliseconds = clock.seconds() * 1000
    const slabAQueue = (slabBytes() - slab) / QUEUES
    if (!store.recovery.cleanBefore || store.recovery.rebuiltQueues.length > 0) throw new Error('the store was not closed properly')
    print({ milliseconds, slabBytes: slabAQueue })
    return store
  },

  async flush() {
    const store = await open()
    await appendAll(store, 0, units * QUEUES)
    await store.flush()
    await appendAll(store, units * QUEUES, (units + 1) * QUEUES)
    while (store.flushedLogOffset < store.maxLogOffset) await sleep(5)
    const clock = startClock()
    await store.flush()
    print({ milliseconds: clock.seconds() * 1000 })
    return store
  },
}

const store = await hows[options.how]()
const queues = store.queues().filter(({ topic }) => topic !== 'warm0')
if (queues.length !== QUEUES || queues.some(({ maxOffset }) => maxOffset < units)) throw new Error(`${queues.length} queues, not ${QUEUES}`)
await store.close()

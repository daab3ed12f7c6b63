// Open loop: messages start on a schedule of `rate` bytes a second, each append settles when it settles, and time counts from the intended start.
// A stall is more than 20 ms between the beginnings of two turns of the event loop, whatever they went into: the appends' own crossing comes after the turn
// that made them. A turn starts a few messages at most, as a server reads a few frames from its sockets: else, after any delay, what is due would
// be one long turn of the harness's own.
import { createHistogram } from 'node:perf_hooks'
import { message, options, print, recordBytes } from '../workload.mjs'
import { openStore } from './open.mjs'

const TURN = 32
const { rate = 50e6, seconds = 60 } = options
const store = await openStore()
const intervalMs = (recordBytes() / rate) * 1000
const count = Math.floor((seconds * 1000) / intervalMs)
const latencies = createHistogram()
let settled = 0
let refused = 0
let stalls = 0

for (let i = 0; i < 20_000; i++) await store.append(message(i))

const started = performance.now()
await new Promise((resolve) => {
  let next = 0
  const start = (i) => {
    const intended = started + i * intervalMs
    store.append(message(i)).then(
      () => {
        latencies.record(Math.max(1, Math.round((performance.now() - intended) * 1e6)))
        if (++settled + refused === count) resolve()
      },
      () => {
        if (settled + ++refused === count) resolve()
      },
    )
  }
  let before = started
  const turn = () => {
    const begun = performance.now()
    if (begun - before > 20) stalls++
    before = begun
    for (let i = 0; i < TURN && next < count && started + next * intervalMs <= begun; i++) start(next++)
    if (next < count) setImmediate(turn)
  }
  turn()
})
const took = (performance.now() - started) / 1000
await store.close()
if (refused > 0) throw new Error(`${refused} messages were refused`)
const ms = (percent) => latencies.percentile(percent) / 1e6
print({ rate: count / took, p50: ms(50), p99: ms(99), p999: ms(99.9), max: latencies.max / 1e6, stalls })

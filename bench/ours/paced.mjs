// Open loop: messages start on a schedule of `rate` bytes a second, each append settles when it settles, and time counts from the intended start.
// A stall is an appending turn of more than 20 ms: the application could do nothing meanwhile.
import { createHistogram } from 'node:perf_hooks'
import { message, options, print, recordBytes } from '../workload.mjs'
import { openStore } from './open.mjs'

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
  const turn = () => {
    const begun = performance.now()
    while (next < count && started + next * intervalMs <= begun) start(next++)
    if (performance.now() - begun > 20) stalls++
    if (next < count) setImmediate(turn)
  }
  turn()
})
const took = (performance.now() - started) / 1000
await store.close()
if (refused > 0) throw new Error(`${refused} messages were refused`)
const ms = (percent) => latencies.percentile(percent) / 1e6
print({ rate: count / took, p50: ms(50), p99: ms(99), p999: ms(99.9), max: latencies.max / 1e6, stalls })

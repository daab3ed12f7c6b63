// What ours and every Node peer append and read: the same bodies, queues, tags and keys, the same clock around them.
// A trial is a process: `node SCRIPT.mjs key=value…`, one JSON object on standard output.
import { createInterface } from 'node:readline'

/** The trial's arguments; numbers where they look like one. */
export const options = {
  count: 1_000_000,
  body: 1024,
  keys: 0,
  inFlight: 1000,
  batch: 32,
  flush: 'async',
  ...Object.fromEntries(
    process.argv.slice(2).map((argument) => {
      const [name, value] = argument.split(/=(.*)/s)
      return [name, value !== '' && Number.isFinite(Number(value)) ? Number(value) : value]
    }),
  ),
}

export const TOPIC = 'bench'
export const QUEUES = 4
/** Messages in a transaction or write batch of the peers, as their manuals advise. */
export const TRANSACTION = 1000

/** 256 random bodies, taken in turn: no page of zeros, nothing that compresses, larger than the processor's first cache. */
export function randomBodies(bytes = options.body) {
  const all = Buffer.allocUnsafe(256 * bytes)
  let seed = 0x9e3779b9
  for (let i = 0; i < all.length; i++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) | 0
    all[i] = seed >>> 24
  }
  return Array.from({ length: 256 }, (_, i) => all.subarray(i * bytes, (i + 1) * bytes))
}

const bodies = randomBodies()

/** Message number `i` as the library takes it. */
export function message(i) {
  return options.keys
    ? { topic: TOPIC, queueId: i % QUEUES, body: bodies[i & 255], tags: 'tagA', keys: `key${i}` }
    : { topic: TOPIC, queueId: i % QUEUES, body: bodies[i & 255], tags: 'tagA' }
}

/** Bytes of message `i` in a commit log: what a plain file would take for it. */
export const recordBytes = () => 91 + options.body + TOPIC.length + 9 + (options.keys ? 6 + 9 : 0)

/** Where a key-value store keeps message `i`: by queue and offset. A number, in the order of reading. */
export const place = (i) => (i % QUEUES) * 2 ** 40 + Math.floor(i / QUEUES)
export const bodyOf = (i) => bodies[i & 255]
export const keyOf = (i) => `key${i}`

/** Keeps so many of `act(i)` in flight, each followed by the next; `take` gets what each came to. */
export async function inFlight(lanes, from, to, act, take = () => {}) {
  let next = from
  const lane = async () => {
    while (next < to) take(await act(next++))
  }
  await Promise.all(Array.from({ length: Math.min(lanes, to - from) }, lane))
}

/**
 * Runs `append(from, to)` for a warm-up of a tenth (at least 20,000 messages where they don't cost a sync each), then for `count`, and prints the rate.
 * `counters` gives running sums; what they grew by in the timed part is printed too.
 */
export async function timeAppends(append, { finish, counters = () => ({}) } = {}) {
  if (options.turns) return takeTurns(append)
  const warmup = Math.max(options.flush === 'sync' ? 0 : 20_000, Math.floor(options.count / 10))
  await append(0, warmup)
  const before = counters()
  const clock = startClock()
  await append(warmup, warmup + options.count)
  await finish?.()
  printRate(options.count, clock, () => {
    const after = counters()
    return { counters: Object.fromEntries(Object.keys(after).map((name) => [name, after[name] - before[name]])) }
  })
}

/** A line of standard input starts each turn (turns.mjs). */
async function takeTurns(append) {
  const size = Math.floor(options.count / options.turns)
  let next = 0
  for await (const _ of createInterface({ input: process.stdin })) {
    const clock = startClock()
    await append(next, next + size)
    printRate(size, clock)
    next += size
  }
}

/** Runs `read()` (which says how many messages it read) once unmeasured, then for two seconds, and prints the rate. */
export async function timeReads(read) {
  await read()
  const clock = startClock()
  let messages = 0
  do messages += await read()
  while (clock.seconds() < 2)
  printRate(messages, clock)
}

export function startClock() {
  const started = process.hrtime.bigint()
  const cpu = process.cpuUsage()
  return {
    seconds: () => Number(process.hrtime.bigint() - started) / 1e9,
    cpuMicroseconds: () => {
      const { user, system } = process.cpuUsage(cpu)
      return user + system
    },
  }
}

export function printRate(messages, clock, more = () => ({})) {
  const seconds = clock.seconds()
  print({ count: messages, rate: messages / seconds, cpuMicroseconds: clock.cpuMicroseconds() / messages, seconds, ...more() })
}

export function print(result) {
  process.stdout.write(`${JSON.stringify(result)}\n`)
}

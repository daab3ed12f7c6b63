// What ours and every Node peer append and read: the same bodies, queues, tags and keys, the same clock around them.
// A trial is a process: `node SCRIPT.mjs key=value…`, one JSON object on standard output.
import { createInterface } from 'node:readline'
import { ownMemory } from './memory.mjs'

/** The trial's arguments; numbers where they look like one. */
export const options = {
  count: 1_000_000,
  body: 1024,
  keys: 0,
  queues: 4,
  topics: 1,
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

export const QUEUES = options.queues
/** Names of one length, so that all records are of one. */
const TOPICS = options.topics === 1 ? ['bench'] : Array.from({ length: options.topics }, (_, i) => `t${`${i}`.padStart(4, '0')}`)
export const TOPIC = TOPICS[0]
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

/** Message number `i` as the library takes it: the queues in turn, each of another topic than the one before it where there are several. */
export function message(i) {
  const queue = i % QUEUES
  const topic = TOPICS[queue % TOPICS.length]
  const queueId = Math.floor(queue / TOPICS.length)
  return options.keys
    ? { topic, queueId, body: bodies[i & 255], tags: 'tagA', keys: `key${i}` }
    : { topic, queueId, body: bodies[i & 255], tags: 'tagA' }
}

/** Appends messages from number `from` on, a thousand a batch. */
export async function appendAll(store, from, to) {
  for (let i = from; i < to; i += 1000) {
    await store.appendBatch(Array.from({ length: Math.min(1000, to - i) }, (_, j) => message(i + j)))
  }
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
 * Runs `append(from, to)` for a warm-up of a tenth (at least 20,000 messages where they don't cost a sync each, and one a queue), then for `count`, and
 * prints the rate.
 * `counters` gives running sums; what they grew by in the timed part is printed too.
 */
export async function timeAppends(append, { prepare, finish, counters = () => ({}) } = {}) {
  if (options.turns) return takeTurns(append)
  const warmup = Math.max(options.flush === 'sync' ? 0 : 20_000, QUEUES > 4 ? QUEUES : 0, Math.floor(options.count / 10))
  await append(0, warmup)
  if (QUEUES > 4) await prepare?.()
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

/**
 * Appends `bytes` of records in batches, and pulls each message of the four queues soon after, 32 at a time, until the log is so large. Prints what the process
 * has in memory that lies in no file, Node's own included: the most that a look found (one every few megabytes), and the median.
 */
export async function watchMemory({ appendBatch, pull }) {
  const [pulled, roundsALook] = [32, 32]
  const round = pulled * QUEUES
  const rounds = Math.floor(options.bytes / recordBytes() / round)
  const looks = []
  const clock = startClock()
  for (let at = 0; at < rounds; at++) {
    for (let i = at * round; i < (at + 1) * round; i += options.batch) {
      await appendBatch(Array.from({ length: options.batch }, (_, j) => message(i + j)))
    }
    for (let queueId = 0; queueId < QUEUES; queueId++) {
      const { messages } = await pull({ topic: TOPIC, queueId, offset: at * pulled, maxMessages: pulled })
      const whole = messages.length === pulled && messages.every(({ body }) => body.length === options.body)
      if (!whole) throw new Error(`${messages.length} messages at ${at * pulled} of queue ${queueId}`)
    }
    if (at % roundsALook === 0) looks.push(ownMemory().anonymous)
  }
  const rate = (rounds * round) / clock.seconds()
  looks.sort((a, b) => a - b)
  print({ bytes: looks.at(-1), medianBytes: looks[looks.length >> 1], rate })
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

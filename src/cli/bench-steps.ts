/** What a benchmark's thread does again and again. */
import { randomFillSync } from 'node:crypto'
import type { MessageInput, MessageStore } from '../index.js'
import type { Step } from './bench-load.js'
import { type BenchPlan, TOPIC } from './bench-plan.js'

const PULL_BYTES = 256 << 10

export function stepOf(store: MessageStore, plan: BenchPlan, thread: number): Step {
  return plan.kind === 'pull' ? pulling(store, plan, thread) : appending(store, plan, thread)
}

/** Makes messages, each for the next queue. */
export function messageMaker({ size, queues, keys }: BenchPlan, thread: number): () => MessageInput {
  const body = randomFillSync(Buffer.alloc(size))
  let made = 0
  return () => {
    const number = made++
    const message: MessageInput = { topic: TOPIC, queueId: number % queues, body }
    if (keys > 0) message.keys = Array.from({ length: keys }, (_, key) => `k${thread}-${number}-${key}`)
    return message
  }
}

function appending(store: MessageStore, plan: BenchPlan, thread: number): Step {
  const make = messageMaker(plan, thread)
  return async (_, messages) => {
    if (messages === 1) await store.append(make())
    else await store.appendBatch(Array.from({ length: messages }, make))
    return { messages, bytes: messages * plan.size }
  }
}

/** Each lane reads a queue from its beginning, and at its end begins again. */
function pulling(store: MessageStore, { queues, inFlight }: BenchPlan, thread: number): Step {
  const lanes = Array.from({ length: inFlight }, (_, lane) => ({
    queueId: (thread * inFlight + lane) % queues,
    offset: 0,
    into: Buffer.allocUnsafeSlow(PULL_BYTES),
  }))
  return async (number, maxMessages) => {
    const lane = lanes[number] as (typeof lanes)[number]
    const { queueId, offset, into } = lane
    const { count, bytes, nextOffset, minOffset, maxOffset } = await store.pullRaw({ topic: TOPIC, queueId, offset, maxMessages, into })
    lane.offset = nextOffset < maxOffset ? nextOffset : minOffset
    return { messages: count, bytes: bytes.length }
  }
}

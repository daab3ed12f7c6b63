/**
 * A process that opens a store, appends until it is killed, and notes each message that was acknowledged in a file outside the store:
 * what it has written there survives a SIGKILL, as the store's own pages do. Its one argument is WriterOptions as JSON.
 * Prints `open` when the store is open and `idle` when it has appended all.
 */
import { openSync, writeSync } from 'node:fs'
import { type MessageInput, MessageStore, type StoreOptions } from '#src/index.js'
import type { Acknowledged } from './acknowledged.js'
import { Random } from './random.js'

export interface WriterOptions {
  dir: string
  settings: NonNullable<StoreOptions['settings']>
  flush: 'async' | 'sync'
  /** A line of JSON for each acknowledged message is appended here. */
  notes: string
  seed: number
  /** Number of the first message. */
  from: number
  count: number
  /** Topics to choose from; each has three queues. */
  topics: number
  /** Calls on files that stall, as native/core/faulty_file_system.cc has them: death finds the writer there. */
  faults?: string
  /** Close the store at the end instead of waiting for death. */
  close?: boolean
}

const options: WriterOptions = JSON.parse(process.argv[2] as string)
void write(options)

async function write({ dir, settings, flush, notes, seed, from, count, topics, faults, close }: WriterOptions): Promise<void> {
  const random = new Random(seed)
  const file = openSync(notes, 'a')
  const store = await MessageStore.open(dir, { flush, settings, ...(faults === undefined ? {} : { faults }) } as StoreOptions)
  writeSync(1, 'open\n')

  const message = (number: number): MessageInput & { keys: string; topic: string; queueId: number } => ({
    topic: `topic-${random.int(topics)}`,
    queueId: random.int(3),
    keys: `m${number}`,
    tags: `tag-${number % 5}`,
    body: Buffer.alloc(random.chance(0.02) ? 3000 : random.int(400), number & 0xff),
  })
  const acknowledge = (
    sent: readonly ReturnType<typeof message>[],
    results: readonly { logOffset: number; queueOffset: number }[],
  ): void => {
    const lines = results.map(({ logOffset, queueOffset }, i) => {
      const { topic, queueId, keys } = sent[i] as ReturnType<typeof message>
      return `${JSON.stringify({ topic, queueId, queueOffset, logOffset, keys } satisfies Acknowledged)}\n`
    })
    writeSync(file, lines.join(''))
  }

  for (let number = from; number < from + count; ) {
    const several = Array.from({ length: Math.min(random.between(1, 20), from + count - number) }, (_, i) => message(number + i))
    const first = several[0] as ReturnType<typeof message>
    switch (random.int(4)) {
      case 0:
        acknowledge([first], [store.appendSync(first)])
        number++
        break
      case 1:
        await Promise.all(several.map(async (one) => acknowledge([one], [await store.append(one)])))
        number += several.length
        break
      case 2:
        acknowledge(several, await store.appendBatch(several))
        number += several.length
        break
      default: {
        const together = several.slice(0, 4).map((one) => ({ ...one, topic: first.topic, queueId: first.queueId }))
        acknowledge(together, store.appendBatchSync(together, { atomic: true }))
        number += together.length
      }
    }
  }
  if (close) await store.close()
  writeSync(1, 'idle\n')
  if (!close) setInterval(() => {}, 1000)
}

/** Stores for tests: small files, so that a few messages reach over their ends, and directories that go with the test. */
import { join } from 'node:path'
import type { Test } from 'tap'
import { type Message, MessageStore, StoreError, type StoreOptions } from '#src/index.js'
import type { FaultOptions } from '#src/store/options.js'

/** A segment holds some hundred messages, a queue file 20, an index file 199 keys. */
export const small = {
  mappedFileSizeCommitLog: 65536,
  mappedFileSizeConsumeQueue: 400,
  maxHashSlotNum: 50,
  maxIndexNum: 200,
}

export type TestOptions = StoreOptions & FaultOptions

const roots = new WeakMap<Test, { root: string; directories: number }>()

/** A directory of the test's own that does not exist yet. */
export function newDirectory(t: Test): string {
  let of = roots.get(t)
  if (of === undefined) {
    // tap removes the directory before it runs teardowns, unless the first teardown was there before the directory: stores close first.
    t.teardown(() => {})
    of = { root: t.testdir({}), directories: 0 }
    roots.set(t, of)
  }
  return join(of.root, `store-${of.directories++}`)
}

/** A new store that the test's end closes. */
export async function openNew(t: Test, options: TestOptions = {}): Promise<MessageStore> {
  return openAt(t, newDirectory(t), options)
}

export async function openAt(t: Test, directory: string, options: TestOptions = {}): Promise<MessageStore> {
  const store = await MessageStore.open(directory, { settings: small, ...options })
  t.teardown(() => store.close().catch(() => {}))
  return store
}

/** The StoreError that something ends with; any other end is an error of the test. */
export async function refusal(work: () => unknown): Promise<StoreError> {
  try {
    await work()
  } catch (error) {
    if (error instanceof StoreError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

/** The bodies of a queue's messages, as text. */
export async function bodiesOf(store: MessageStore, topic: string, queueId = 0): Promise<string[]> {
  return (await collect(store.messages({ topic, queueId }))).map(bodyOf)
}

export const bodyOf = (message: Message): string => message.body.toString()

/** `count` messages of one queue, each with its number as body and key. */
export function numbered(count: number, { topic = 'orders', queueId = 0, from = 0 } = {}) {
  return Array.from({ length: count }, (_, i) => ({ topic, queueId, keys: `k${from + i}`, body: `${from + i}` }))
}

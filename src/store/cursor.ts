/**
 * Named positions in queues, kept in the store's own folder: for programs that embed the store alone. (A broker keeps its consumers' offsets in `config/`.)
 * A position never points behind its queue: whoever opens the store after a power cut takes it back to what the queue still has.
 */
import { lstat, readdir, readFile, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { syncFolder } from '../durable-file.js'
import { StoreError, storeError } from '../errors.js'
import type { Message } from './message.js'
import type { MessageStore } from './message-store.js'
import { checkObject, checkWhole, invalid } from './part.js'
import type { MessagesOptions } from './types.js'

const FOLDER = join('millrace', 'cursors')
const ENDING = '.json'
/** RocketMQ's set for a consumer group. Nothing in it leaves the folder. */
const NAME = /^[%|a-zA-Z0-9_-]{1,127}$/

/** topic → queue id → queue offset of the message to read next */
type Positions = Map<string, Map<number, number>>

/** What a cursor needs of the store around it. */
interface Home {
  readonly store: MessageStore
  readonly folder: string
  /** Replaces a file of the store's, durably. */
  readonly replaceFile: (name: string, text: string) => Promise<void>
  /** Throws where the store takes no writes. */
  readonly assertWritable: () => void
  /** The cursor of that name is gone: the next one begins anew. */
  readonly forget: (name: string) => void
}

export class Cursor {
  readonly name: string
  readonly #home: Home
  readonly #positions: Positions
  #moved = false
  #removed = false
  /** The write that is under way, and the one that takes what has moved since it began. */
  #writing: Promise<void> = Promise.resolve()
  #next: Promise<void> | undefined

  /** @internal */
  constructor(name: string, home: Home, positions: Positions) {
    this.name = name
    this.#home = home
    this.#positions = positions
  }

  /** Queue offset of the message to read next; undefined where the cursor has never been. */
  position(topic: string, queueId: number): number | undefined {
    return this.#positions.get(topic)?.get(queueId)
  }

  /** Every queue where the cursor has been. */
  positions(): { topic: string; queueId: number; offset: number }[] {
    return [...this.#positions].flatMap(([topic, queues]) => [...queues].map(([queueId, offset]) => ({ topic, queueId, offset })))
  }

  /** Moves to a queue offset; durable with the next `commit`. */
  seek(topic: string, queueId: number, offset: number): void {
    if (typeof topic !== 'string' || topic === '') throw invalid('topic', topic, 'the name of a topic')
    checkWhole('queueId', queueId)
    checkWhole('offset', offset)
    const queues = this.#positions.get(topic) ?? new Map<number, number>()
    this.#positions.set(topic, queues.set(queueId, offset))
    this.#moved = true
  }

  /**
   * The messages of a queue from the cursor's position on (the queue's first where it has never been). The position moves behind a message when the loop comes
   * back for the next one: what a crash interrupts, or an exception, is read again.
   */
  async *messages(options: Omit<MessagesOptions, 'from'>): AsyncIterableIterator<Message> {
    checkObject('options', options)
    const { topic, queueId } = options
    const from = this.position(topic, queueId)
    for await (const message of this.#home.store.messages(from === undefined ? options : { ...options, from })) {
      yield message
      this.seek(topic, queueId, (message.queueOffsetIn(topic, queueId) as number) + 1)
    }
  }

  /** Settles when every move made so far is on disk. Commits that come while one is written share the next write. */
  commit(): Promise<void> {
    try {
      this.#home.assertWritable()
      if (this.#removed) throw invalid('cursor', this.name, 'a cursor that was not removed')
    } catch (error) {
      return Promise.reject(error)
    }
    if (this.#next !== undefined) return this.#next
    const begin = (): Promise<void> => {
      this.#next = undefined
      return this.#write()
    }
    this.#next = this.#writing.then(begin, begin)
    this.#writing = this.#next
    return this.#next
  }

  /** Forgets the cursor, on disk too. */
  async remove(): Promise<void> {
    this.#home.assertWritable()
    this.#removed = true
    this.#home.forget(this.name)
    await this.settled()
    const path = fileOf(this.#home.folder, this.name)
    try {
      await unlink(path)
      await syncFolder(this.#home.folder)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw failed(error as NodeJS.ErrnoException, path)
    }
  }

  /** @internal When no write is under way. */
  async settled(): Promise<void> {
    await this.#writing.catch(() => {})
  }

  async #write(): Promise<void> {
    if (!this.#moved) return
    this.#moved = false
    try {
      await writePositions(this.#home, this.name, this.#positions)
    } catch (error) {
      this.#moved = true
      throw error
    }
  }
}

/** The cursors of a store, as one environment has them open. */
export class Cursors {
  readonly #home: Home
  readonly #open = new Map<string, Promise<Cursor>>()

  constructor(store: MessageStore, replaceFile: Home['replaceFile'], assertWritable: () => void) {
    const forget = (name: string): void => void this.#open.delete(name)
    this.#home = { store, folder: join(store.directory, FOLDER), replaceFile, assertWritable, forget }
  }

  /** Opens a cursor, a new one where there is none of that name. */
  async get(name: string): Promise<Cursor> {
    this.#home.assertWritable()
    if (typeof name !== 'string' || !NAME.test(name)) throw invalid('name', name, '1 to 127 of % | - _ 0-9 a-z A-Z')
    let cursor = this.#open.get(name)
    if (cursor === undefined) {
      cursor = readPositions(this.#home.folder, name).then((positions) => new Cursor(name, this.#home, positions))
      this.#open.set(name, cursor)
    }
    try {
      return await cursor
    } catch (error) {
      this.#open.delete(name)
      throw error
    }
  }

  /** The names of those that were ever committed. */
  names(): Promise<string[]> {
    return namesIn(this.#home.folder)
  }

  /**
   * After recovery, before the first append: what a queue has lost to a power cut must not be skipped when its numbers come again. A file that can't be read is
   * left to whoever opens that cursor.
   */
  async cutBack(): Promise<void> {
    const { folder, store } = this.#home
    for (const name of await this.names()) {
      const positions = await readPositions(folder, name).catch(() => undefined)
      if (positions === undefined) continue
      let cut = false
      for (const [topic, queues] of positions) {
        for (const [queueId, offset] of queues) {
          const { maxOffset } = store.bounds(topic, queueId)
          if (offset <= maxOffset) continue
          queues.set(queueId, maxOffset)
          cut = true
        }
      }
      if (cut) await writePositions(this.#home, name, positions)
    }
  }

  /** When no commit is under way. */
  async settled(): Promise<void> {
    for (const cursor of await Promise.allSettled(this.#open.values())) if (cursor.status === 'fulfilled') await cursor.value.settled()
  }
}

const fileOf = (folder: string, name: string): string => join(folder, name + ENDING)

const failed = (error: NodeJS.ErrnoException, path: string): Error =>
  storeError(error.code === 'ENOSPC' || error.code === 'EDQUOT' ? 'DISK_FULL' : 'IO_ERROR', { reason: error.message, path, cause: error })

const unsafe = (path: string): Error =>
  storeError('UNSAFE_PATH', { reason: 'is a link, or no ordinary file or folder, where a cursor belongs', path })

async function namesIn(folder: string): Promise<string[]> {
  const files = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw failed(error, folder)
  })
  return files
    .filter((file) => file.endsWith(ENDING))
    .map((file) => file.slice(0, -ENDING.length))
    .filter((name) => NAME.test(name))
    .sort()
}

function writePositions({ replaceFile }: Home, name: string, positions: Positions): Promise<void> {
  const queuesOf = [...positions].map(([topic, queues]) => [topic, Object.fromEntries(queues)])
  return replaceFile(fileOf(FOLDER, name), JSON.stringify({ positions: Object.fromEntries(queuesOf) }))
}

async function readPositions(folder: string, name: string): Promise<Positions> {
  const path = fileOf(folder, name)
  let text: string
  try {
    if (!(await lstat(path)).isFile()) throw unsafe(path)
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof StoreError) throw error
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map()
    throw failed(error as NodeJS.ErrnoException, path)
  }
  const positions: Positions = new Map()
  try {
    for (const [topic, queues] of Object.entries<Record<string, unknown>>(JSON.parse(text).positions)) {
      checkObject(topic, queues)
      const of = new Map<number, number>()
      for (const [queueId, offset] of Object.entries(queues)) {
        checkWhole('queueId', Number(queueId))
        checkWhole('offset', offset as number)
        of.set(Number(queueId), offset as number)
      }
      positions.set(topic, of)
    }
  } catch (error) {
    throw storeError('CORRUPT_CURSOR', { reason: (error as Error).message, path, cause: error })
  }
  return positions
}

/**
 * Texts by namespace and key, kept in a file: RocketMQ's KVConfigManager. The file is Java's, `{"configTable":{"NAMESPACE":{"key":"value"}}}`, and is
 * replaced as a whole; a change counts when it is on disk.
 */
import { mkdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { replaceFile } from '../durable-file.js'
import { storeError } from '../errors.js'
import { entriesOf, objectOf, textOf } from '../protocol/bodies/values.js'
import { parseFastjson, writeFastjson } from '../protocol/fastjson.js'

export const ORDER_TOPIC_CONFIG = 'ORDER_TOPIC_CONFIG'

type Table = Map<string, Map<string, string>>

export class KvConfig {
  readonly #path: string
  #table: Table = new Map()
  readonly #changes: ((table: Table) => void)[] = []
  /** The write that will have them. */
  #next: Promise<void> | undefined
  #last: Promise<void> = Promise.resolve()

  private constructor(path: string) {
    this.#path = path
  }

  /** Rejects with IO_ERROR where the file can't be read, or is none of these. */
  static async open(path: string): Promise<KvConfig> {
    const config = new KvConfig(path)
    let text: string
    try {
      text = await readFile(path, 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return config
      throw storeError('IO_ERROR', { reason: (error as Error).message, path, cause: error })
    }
    try {
      for (const [namespace, entries] of entriesOf(objectOf(parseFastjson(text)).configTable))
        config.#table.set(textOf(namespace), new Map(entriesOf(entries).map(([key, value]) => [textOf(key), textOf(value)])))
    } catch (cause) {
      throw storeError('IO_ERROR', { reason: `holds no JSON: ${(cause as Error).message}`, path, cause })
    }
    return config
  }

  get(namespace: string, key: string): string | undefined {
    return this.#table.get(namespace)?.get(key)
  }

  namespace(namespace: string): ReadonlyMap<string, string> | undefined {
    return this.#table.get(namespace)
  }

  put(namespace: string, key: string, value: string): Promise<void> {
    return this.#change((table) => table.set(namespace, (table.get(namespace) ?? new Map()).set(key, value)))
  }

  delete(namespace: string, key: string): Promise<void> {
    return this.#change((table) => table.get(namespace)?.delete(key))
  }

  /** Changes that come while one is being written share the next write. */
  #change(change: (table: Table) => void): Promise<void> {
    this.#changes.push(change)
    this.#next ??= this.#last.then(() => {
      this.#next = undefined
      const written = this.#write(this.#changes.splice(0))
      this.#last = written.catch(() => {})
      return written
    })
    return this.#next
  }

  async #write(changes: ((table: Table) => void)[]): Promise<void> {
    const table: Table = new Map([...this.#table].map(([namespace, entries]) => [namespace, new Map(entries)]))
    for (const change of changes) change(table)
    try {
      await mkdir(dirname(this.#path), { recursive: true })
      await replaceFile(this.#path, writeFastjson({ configTable: table }))
    } catch (error) {
      throw storeError('IO_ERROR', { reason: (error as Error).message, path: this.#path, cause: error })
    }
    this.#table = table
  }
}

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

export class KvConfig {
  readonly #path: string
  readonly #table = new Map<string, Map<string, string>>()
  #writing: Promise<void> | undefined
  #again: Promise<void> | undefined

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

  async put(namespace: string, key: string, value: string): Promise<void> {
    const entries = this.#table.get(namespace) ?? new Map<string, string>()
    this.#table.set(namespace, entries.set(key, value))
    await this.#persist()
  }

  async delete(namespace: string, key: string): Promise<void> {
    if (this.#table.get(namespace)?.delete(key) === true) await this.#persist()
  }

  /** One write at a time; those that ask during it share the next. */
  #persist(): Promise<void> {
    this.#again ??= (this.#writing ?? Promise.resolve())
      .catch(() => {})
      .then(() => {
        this.#again = undefined
        this.#writing = this.#write()
        return this.#writing
      })
    return this.#again
  }

  async #write(): Promise<void> {
    try {
      await mkdir(dirname(this.#path), { recursive: true })
      await replaceFile(this.#path, writeFastjson({ configTable: this.#table }))
    } catch (error) {
      throw storeError('IO_ERROR', { reason: (error as Error).message, path: this.#path, cause: error })
    }
  }
}

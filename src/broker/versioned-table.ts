/** A table by name in a file of `config/`, with the version that says whether somebody's copy of it is old: RocketMQ's topics and groups. */
import { type DataVersion, dataVersionOf } from '../protocol/bodies/data-version.js'
import { entriesOf, objectOf, textOf } from '../protocol/bodies/values.js'
import { type FastjsonValue, parseFastjson, writeFastjson, writeFastjsonLines } from '../protocol/fastjson.js'
import type { ConfigFiles } from '../store/config-files.js'
import { SavedFile } from './saved-file.js'

export interface TableOptions<T> {
  readonly config: ConfigFiles
  /** In `config/`. */
  readonly file: string
  /** Of the table, in the file. */
  readonly field: string
  readonly read: (value: FastjsonValue) => T
  /** What every broker has; the file's entries of the same names count. */
  readonly builtIn: ReadonlyMap<string, T>
  /** Unix milliseconds. */
  readonly now: () => number
}

export class VersionedTable<T> {
  readonly #options: TableOptions<T>
  readonly #entries: Map<string, T>
  readonly #file: SavedFile
  #version: DataVersion

  private constructor(options: TableOptions<T>) {
    this.#options = options
    this.#entries = new Map(options.builtIn)
    this.#version = { counter: 0, timestamp: options.now() }
    this.#file = new SavedFile(options.config, options.file, () => writeFastjsonLines(this.#body()))
  }

  static async open<T>(options: TableOptions<T>): Promise<VersionedTable<T>> {
    const table = new VersionedTable(options)
    const saved = await options.config.read(options.file, (text) => objectOf(parseFastjson(text)))
    if (saved !== undefined) {
      for (const [name, value] of entriesOf(saved[options.field])) table.#entries.set(textOf(name), options.read(value))
      if (saved.dataVersion !== undefined) table.#version = dataVersionOf(saved.dataVersion)
    }
    return table
  }

  get version(): DataVersion {
    return this.#version
  }

  get entries(): ReadonlyMap<string, T> {
    return this.#entries
  }

  get(name: string): T | undefined {
    return this.#entries.get(name)
  }

  /** Counts at once; settles when it is on disk. */
  set(name: string, value: T): Promise<void> {
    this.#entries.set(name, value)
    return this.#changed()
  }

  /** The same. */
  delete(name: string): Promise<void> {
    return this.#entries.delete(name) ? this.#changed() : Promise.resolve()
  }

  /** As a body: {"dataVersion":…,"<field>":{…}}. */
  write(): Buffer {
    return Buffer.from(writeFastjson(this.#body()))
  }

  save(): Promise<void> {
    return this.#file.save()
  }

  #changed(): Promise<void> {
    this.#version = { counter: this.#version.counter + 1, timestamp: this.#options.now() }
    return this.save()
  }

  #body() {
    return { dataVersion: this.#version, [this.#options.field]: this.#entries }
  }
}

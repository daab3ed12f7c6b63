/** A file of `config/` and the state that it is written from. Whoever asks while it is being written shares the write after it. */
import type { ConfigFiles } from '../store/config-files.js'

export class SavedFile {
  readonly #config: ConfigFiles
  readonly #name: string
  readonly #text: () => string | Promise<string>
  #writing: Promise<void> = Promise.resolve()
  #next: Promise<void> | undefined

  constructor(config: ConfigFiles, name: string, text: () => string | Promise<string>) {
    this.#config = config
    this.#name = name
    this.#text = text
  }

  /** Settles when a state no older than this moment's is on disk. */
  save(): Promise<void> {
    if (this.#next !== undefined) return this.#next
    const begin = async (): Promise<void> => {
      this.#next = undefined
      await this.#config.write(this.#name, await this.#text())
    }
    this.#next = this.#writing.then(begin, begin)
    this.#writing = this.#next
    return this.#next
  }
}

/**
 * The small files of a broker beside the log, `config/NAME` (topics, groups, consumers' offsets), as RocketMQ has them: each is replaced as a whole, and the one
 * before stays as NAME.bak. After a crash there is the old one or the new one.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { storeError } from '../errors.js'

export class ConfigFiles {
  readonly #root: string
  readonly #replace: (name: string, text: string, keep: boolean) => Promise<void>

  /** @internal */
  constructor(root: string, replace: (name: string, text: string, keep: boolean) => Promise<void>) {
    this.#root = root
    this.#replace = replace
  }

  /**
   * What `parse` makes of a file's text; of NAME.bak's where the file is missing, empty, or `parse` throws; undefined where neither is there. Rejects with
   * IO_ERROR where NAME.bak is the only one that is there and can't be parsed either.
   */
  async read<T>(name: string, parse: (text: string) => T): Promise<T | undefined> {
    const first = await this.#parsed(name, parse)
    if (first !== undefined && 'value' in first) return first.value
    const second = await this.#parsed(`${name}.bak`, parse)
    if (second !== undefined && 'value' in second) return second.value
    const failed = second ?? first
    if (failed === undefined) return undefined
    const path = join(this.#root, nameIn(second === undefined ? name : `${name}.bak`))
    throw storeError('IO_ERROR', { reason: `can't be read: ${(failed.error as Error).message}`, path, cause: failed.error })
  }

  /** Settles when it is on disk. Rejects where the store takes no writes. */
  write(name: string, text: string): Promise<void> {
    return this.#replace(nameIn(name), text, true)
  }

  async #parsed<T>(name: string, parse: (text: string) => T): Promise<{ value: T } | { error: unknown } | undefined> {
    try {
      const text = await readFile(join(this.#root, nameIn(name)), 'utf8')
      return text.trim() === '' ? undefined : { value: parse(text) }
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : { error }
    }
  }
}

function nameIn(name: string): string {
  return join('config', name)
}

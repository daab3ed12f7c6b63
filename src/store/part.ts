/**
 * What the parts of a store have in common: each belongs to an open store, and closes with it, or is open alone. The parts of an open store are for
 * reading, because the store keeps log, queues and index in step; a part that is open alone is for reading too unless it is opened to write.
 */
import { basename, dirname, join } from 'node:path'
import { storeError } from '../errors.js'
import type { NativePart, NativePartOptions } from '../native/binding.js'
import { binding } from '../native/binding.js'

export interface PartOptions {
  /**
   * Default true: no lock is taken, and nothing is written. With false, a part that lies where a store has it (`commitlog/`, `consumequeue/T/N`,
   * `index/`) takes the store's lock, which parts of the same process share; a part elsewhere is the caller's to keep exclusive.
   */
  readOnly?: boolean
}

export interface CutOptions {
  /** Opened to write, what lies behind the last whole record or unit is in the way. Default 'refuse'. */
  onCorruption?: 'refuse' | 'cut'
}

/** A part that was opened alone, for its class. */
export interface OpenPart {
  readonly native: NativePart
  readonly path: string
  readonly readOnly: boolean
}

export abstract class StorePart {
  /** Whether it can only be read. */
  readonly readOnly: boolean
  readonly #path: string | undefined
  readonly #own: NativePart | undefined
  #closing: Promise<void> | undefined

  protected constructor(own: OpenPart | undefined) {
    this.#own = own?.native
    this.#path = own?.path
    this.readOnly = own?.readOnly ?? true
  }

  /** Everything that was put so far is on disk when it settles. STORE_READ_ONLY for the part of an open store: flush the store. */
  async flush(): Promise<void> {
    await binding.flushPart(this.writable())
  }

  /** Flushes and lets go; whatever is called afterwards ends with STORE_NOT_OPEN. Any number of calls. The part of an open store closes with it instead. */
  close(): Promise<void> {
    this.#closing ??= this.#own === undefined ? Promise.resolve() : binding.closePart(this.#own)
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  protected writable(): NativePart {
    if (this.#own !== undefined && this.#closing !== undefined) throw storeError('STORE_NOT_OPEN', { state: 'closed' })
    if (this.#own !== undefined && !this.readOnly) return this.#own
    throw storeError('STORE_READ_ONLY', this.#path === undefined ? {} : { path: this.#path })
  }
}

type Open = 'openLog' | 'openQueue' | 'openIndex' | 'openIndexFile'

/** Opens a part: `folder` is what would have the name `storeName` in a store's root. */
export async function openPart(
  open: Open,
  path: string,
  folder: string,
  storeName: string,
  { readOnly = true, onCorruption = 'refuse', faults }: PartOptions & CutOptions & { faults?: string },
  more: Partial<NativePartOptions>,
): Promise<OpenPart> {
  if (typeof readOnly !== 'boolean') throw invalid('readOnly', readOnly, 'a boolean')
  if (onCorruption !== 'refuse' && onCorruption !== 'cut') throw invalid('onCorruption', onCorruption, "'refuse' or 'cut'")
  const root = basename(folder) === storeName ? dirname(folder) : undefined
  const native = await binding[open]({
    ...more,
    path,
    work: root === undefined ? `${folder}.millrace` : join(root, 'millrace'),
    lock: root === undefined ? undefined : join(root, 'lock'),
    readOnly,
    cut: onCorruption === 'cut',
    faults,
  })
  return { native, path, readOnly }
}

/** The options as an object, each size checked: a whole number from `min`, or missing. */
export function checkPart<O extends object>(where: string, options: O, sizes: { [K in keyof O]?: number }): O {
  if (typeof where !== 'string' || where === '') throw invalid('path', where, 'a path')
  checkObject('options', options)
  for (const [name, min] of Object.entries(sizes) as [keyof O & string, number][]) {
    const value: unknown = options[name]
    if (value !== undefined && !(Number.isSafeInteger(value) && (value as number) >= min))
      throw invalid(name, value, `a whole number from ${min}`)
  }
  return options
}

export function checkObject(what: string, value: unknown): void {
  if (value === null || typeof value !== 'object') throw invalid(what, value, 'an object')
}

export function checkWhole(what: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw invalid(what, value, 'a whole number from 0')
}

export function invalid(what: string, value: unknown, allowed: string): Error {
  return storeError('INVALID_ARGUMENT', { what, value, allowed })
}

/** Settings by RocketMQ's names: kinds of values, each with what it allows, tables of them and files of them. */
import { parse } from 'dot-properties'
import { storeError } from './errors.js'

export interface Setting<T> {
  readonly fallback: T
  /** For the error's text. */
  readonly allowed: string
  /** The value from text or from a value of the right type; undefined for what is not allowed. */
  readonly read: (value: unknown) => T | undefined
  /** Why it has no effect here, where it has none. */
  readonly unused?: string
  /** For an allowed value that can't be honoured: what can be, and why. */
  readonly refused?: (value: unknown) => string | undefined
}

export const MAX_INT32 = 0x7fffffff

interface Range {
  min?: number
  max?: number
  /** What is made of an allowed value. */
  becomes?: (value: number) => number
}

export function whole(fallback: number, { min = 0, max = MAX_INT32, becomes = (value) => value }: Range = {}): Setting<number> {
  return {
    fallback,
    allowed: `a whole number from ${min} to ${max}`,
    read: (value) => {
      const number = typeof value === 'string' && /^\s*[+-]?\d+\s*$/.test(value) ? Number(value) : value
      return typeof number === 'number' && Number.isInteger(number) && number >= min && number <= max ? becomes(number) : undefined
    },
  }
}

export function flag(fallback: boolean): Setting<boolean> {
  return {
    fallback,
    allowed: 'true or false',
    read: (value) => {
      if (typeof value === 'boolean') return value
      const word = typeof value === 'string' ? value.trim().toLowerCase() : ''
      return word === 'true' ? true : word === 'false' ? false : undefined
    },
  }
}

export function choice<const T extends string>(fallback: T, ...others: T[]): Setting<T> {
  const choices = [fallback, ...others]
  return {
    fallback,
    allowed: choices.join(', '),
    read: (value) => choices.find((word) => typeof value === 'string' && word === value.trim()),
  }
}

export function text<T extends string | undefined>(fallback: T, allowed: string, check: (value: string) => boolean): Setting<T> {
  return { fallback, allowed, read: (value) => (typeof value === 'string' && check(value) ? (value as T) : undefined) }
}

/** No default: something else decides, or the part that it steers is off. */
export const optional = (allowed: string): Setting<string | undefined> =>
  text<string | undefined>(undefined, allowed, (value) => value !== '')

export const size = (fallback: number, range: Range = {}) => whole(fallback, { min: 1, ...range })
export const milliseconds = (fallback: number) => whole(fallback, { min: 1 })
export const percent = (fallback: number, range: Range = {}) => whole(fallback, { max: 100, ...range })
export const port = (fallback: number) => whole(fallback, { max: 65535 })

/** Numbers that are a long in Java. */
export const long = (fallback: number) => whole(fallback, { max: Number.MAX_SAFE_INTEGER })

/** Known and checked, but without effect. The reason goes on after "it has no effect:". */
export function unused<T>(setting: Setting<T>, reason: string): Setting<T> {
  return { ...setting, unused: reason }
}

/** The same for all of a table. */
export function allUnused<T extends SettingsTable>(reason: string, table: T): T {
  return Object.fromEntries(Object.entries(table).map(([name, setting]) => [name, unused(setting, reason)])) as T
}

/** Some values would promise what is not there: no start with them. `instead` goes on after "allowed:", and says why. */
export function refusing<T>(setting: Setting<T>, isRefused: (value: T) => boolean, instead: string): Setting<T> {
  return { ...setting, refused: (value) => (isRefused(value as T) ? instead : undefined) }
}

export type SettingsTable = Readonly<Record<string, Setting<unknown>>>
export type SettingsOf<T extends SettingsTable> = { [N in keyof T]: T[N] extends Setting<infer V> ? V : never }

/** A setting that was given, and why that changes nothing. */
export interface WithoutEffect {
  name: string
  reason: string
}

/** All settings of one program or part: checked, read from a file, printed. */
export class KnownSettings<T extends SettingsTable> {
  readonly names: readonly (keyof T & string)[]
  readonly #table: T
  readonly #kind: string

  /** `kind` stands in the error for an unknown name: 'a setting of a broker'. */
  constructor(table: T, kind: string) {
    this.names = Object.keys(table) as (keyof T & string)[]
    this.#table = table
    this.#kind = kind
  }

  defaults(): SettingsOf<T> {
    return Object.fromEntries(this.names.map((name) => [name, this.#of(name).fallback])) as SettingsOf<T>
  }

  /**
   * The given ones as they are used; undefined ones are left out.
   * Throws INVALID_SETTING for a value that is not allowed, and for a name that is no setting.
   */
  check(given: Readonly<Partial<SettingsOf<T>>>): Partial<SettingsOf<T>> {
    const checked: Record<string, unknown> = {}
    for (const [name, value] of Object.entries(given)) {
      if (value === undefined) continue
      if (!this.#has(name)) throw this.unknown(name, value)
      checked[name] = this.#read(name, value)
    }
    return checked as Partial<SettingsOf<T>>
  }

  /**
   * Settings from a file's names and values. A name that is none is told to `onUnknown`, with the one that was probably meant; without
   * `onUnknown` it is an error, INVALID_SETTING, as a value that is not allowed always is.
   */
  from(
    properties: Readonly<Record<string, string>>,
    onUnknown: (name: string, meant: string | undefined) => void = (name) => {
      throw this.unknown(name, properties[name])
    },
  ): Partial<SettingsOf<T>> {
    const settings: Record<string, unknown> = {}
    for (const [name, value] of Object.entries(properties)) {
      if (this.#has(name)) settings[name] = this.#read(name, value)
      else onUnknown(name, nearestName(name, this.names))
    }
    return settings as Partial<SettingsOf<T>>
  }

  /** Lines `name=value`, as RocketMQ answers them: those without a value are left out. */
  text(settings: Readonly<Partial<SettingsOf<T>>>, names: readonly (keyof T & string)[] = this.names): string {
    return names
      .filter((name) => settings[name] !== undefined)
      .map((name) => `${name}=${settings[name]}\n`)
      .join('')
  }

  /** Throws INVALID_SETTING for a value that is allowed and can't be honoured, with the reason. */
  refuseUnsupported(settings: Readonly<Partial<SettingsOf<T>>>): void {
    for (const name of this.names) {
      const value = settings[name]
      const instead = value === undefined ? undefined : this.#of(name).refused?.(value)
      if (instead !== undefined) throw storeError('INVALID_SETTING', { setting: name, value, allowed: instead })
    }
  }

  /** Those given with another value than the default that have no effect. */
  withoutEffect(given: Readonly<Partial<SettingsOf<T>>>): WithoutEffect[] {
    return this.names.flatMap((name) => {
      const { unused: reason, fallback } = this.#of(name)
      return reason === undefined || given[name] === undefined || given[name] === fallback ? [] : [{ name, reason }]
    })
  }

  /** The error for a name that is no setting. */
  unknown(name: string, value: unknown): Error {
    const meant = nearestName(name, this.names)
    return storeError('INVALID_SETTING', { setting: name, value, allowed: meant === undefined ? this.#kind : `${meant}, if that is meant` })
  }

  #has(name: string): name is keyof T & string {
    return Object.hasOwn(this.#table, name)
  }

  #of(name: keyof T & string): Setting<unknown> {
    return this.#table[name] as Setting<unknown>
  }

  #read(name: keyof T & string, value: unknown): unknown {
    const { read, allowed } = this.#of(name)
    const result = read(value)
    if (result === undefined) throw storeError('INVALID_SETTING', { setting: name, value, allowed })
    return result
  }
}

/** The one of the names that was probably meant: one that differs in a sixth of the letters, and in two at most. */
function nearestName<N extends string>(name: string, names: readonly N[]): N | undefined {
  const most = Math.min(2, Math.floor(name.length / 6))
  return names.find((other) => distance(name.toLowerCase(), other.toLowerCase()) <= most)
}

/** Letters to insert, remove or replace to make one word of the other. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    row = next
  }
  return row[b.length]!
}

/** Names and values of a Java .properties file: comments, escapes, continued lines; the last of equal names counts. */
export function parseProperties(text: string): Record<string, string> {
  return parse(text) as Record<string, string>
}

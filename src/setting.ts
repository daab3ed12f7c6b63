/** Settings by RocketMQ's names: kinds of values, each with what it allows, and files of them. */
import { parse } from 'dot-properties'
import { storeError } from './errors.js'

export interface Setting<T> {
  readonly fallback: T
  /** For the error's text. */
  readonly allowed: string
  /** The value from text or from a value of the right type; undefined for what is not allowed. */
  readonly read: (value: unknown) => T | undefined
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

export type SettingsTable = Readonly<Record<string, Setting<unknown>>>
export type SettingsOf<T extends SettingsTable> = { [N in keyof T]: T[N] extends Setting<infer V> ? V : never }

export function defaultsOf<T extends SettingsTable>(table: T): SettingsOf<T> {
  return Object.fromEntries(Object.entries(table).map(([name, { fallback }]) => [name, fallback])) as SettingsOf<T>
}

/** The value as it is used. Throws INVALID_SETTING for one that is not allowed. */
export function readSetting(table: SettingsTable, name: string, value: unknown): unknown {
  const { read, allowed } = table[name] as Setting<unknown>
  const result = read(value)
  if (result === undefined) throw storeError('INVALID_SETTING', { setting: name, value, allowed })
  return result
}

/** The one of the names that was probably meant: one that differs in a sixth of the letters, and in two at most. */
export function nearestName<N extends string>(name: string, names: readonly N[]): N | undefined {
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

/** Header fields as values: each request and response says once which it has; both sides read and write by that. */
import type { Fields } from './command.js'

/** What a Java peer would have thrown. Its class and message are what the remark of an answer with code 1 says. */
export class FieldError extends Error {
  readonly javaClass: string
  constructor(javaClass: string, message: string) {
    super(message)
    this.javaClass = javaClass
  }
}

export interface Kind<T> {
  /** Undefined where there is none, or none of this kind, as Java takes it. */
  read(text: string | undefined): T | undefined
  write(value: T): string
  /** A request without it ends: a number that is missing is Java's null pointer. A text is missing until somebody looks at it. */
  readonly needed: boolean
  readonly optional?: true
}

const INTEGER = /^[+-]?\d{1,19}$/
/** So many characters are a number below 2^53. */
const EXACT_DIGITS = 15

function integer(bits: 32 | 64): Kind<number> {
  return {
    read: (text) => {
      if (text === undefined || !INTEGER.test(text)) return undefined
      if (text.length <= EXACT_DIGITS) {
        const number = Number(text)
        return bits === 64 || (number | 0) === number ? number : undefined
      }
      // Long.MAX_VALUE stands for no limit: as a number it is rounded, and stays as large.
      const exact = BigInt(text.replace('+', ''))
      return BigInt.asIntN(bits, exact) === exact ? Number(exact) : undefined
    },
    write: String,
    needed: true,
  }
}

export const text: Kind<string> = { read: (given) => given, write: (value) => value, needed: false }
/** A text that is looked up at once: without it a request ends as without a number. */
export const key: Kind<string> = { ...text, needed: true }
export const int32 = integer(32)
export const int64 = integer(64)
export const bool: Kind<boolean> = {
  read: (given) => (given === undefined ? undefined : given.toLowerCase() === 'true'),
  write: String,
  needed: true,
}

export function optional<T>(kind: Kind<T>): Kind<T> & { readonly optional: true } {
  return { ...kind, needed: false, optional: true }
}

type Kinds = Readonly<Record<string, Kind<unknown>>>
type Optional<K extends Kinds> = { [N in keyof K]: K[N] extends { optional: true } ? N : K[N] extends Kind<string> ? N : never }[keyof K]
type ValueOf<K> = K extends Kind<infer T> ? T : never
export type Read<K extends Kinds> = { readonly [N in Exclude<keyof K, Optional<K>>]: ValueOf<K[N]> } & {
  readonly [N in Optional<K>]?: ValueOf<K[N]> | undefined
}
type OptionalToWrite<K extends Kinds> = { [N in keyof K]: K[N] extends { optional: true } ? N : never }[keyof K]
export type Written<K extends Kinds> = { readonly [N in Exclude<keyof K, OptionalToWrite<K>>]: ValueOf<K[N]> } & {
  readonly [N in OptionalToWrite<K>]?: ValueOf<K[N]> | undefined
}

export interface FieldsType<K extends Kinds> {
  read(fields: Fields | undefined): Read<K>
  write(values: Written<K>): Fields
}

/** `exact`: what is no number is told so, where it is otherwise taken for missing. */
export function fieldsOf<K extends Kinds>(kinds: K, exact = false): FieldsType<K> {
  const entries = Object.entries(kinds)
  return {
    read: (fields) => {
      const values: Record<string, unknown> = {}
      for (const [name, kind] of entries) {
        const given = fields?.[name]
        const value = kind.read(given)
        if (value === undefined && exact && given !== undefined)
          throw new FieldError('java.lang.NumberFormatException', `For input string: "${given}"`)
        if (value === undefined && kind.needed)
          throw new FieldError('java.lang.NullPointerException', `the field ${name} is missing, or no number`)
        if (value !== undefined) values[name] = value
      }
      return values as Read<K>
    },
    write: (values) => {
      const fields: Record<string, string> = {}
      for (const [name, kind] of entries) {
        const value = (values as Record<string, unknown>)[name]
        if (value !== undefined) fields[name] = kind.write(value)
      }
      return fields
    },
  }
}

/** A request: its code, its fields and those of its answer. What its body is, and its answer's, says `bodies/`. */
export interface RequestType<F extends Kinds, A extends Kinds> {
  readonly code: number
  readonly name: string
  readonly fields: FieldsType<F>
  readonly answer: FieldsType<A>
}

/** `exact`: of those requests whose fields RocketMQ reads in a faster way, which does not forgive what is no number. */
export function request<F extends Kinds, A extends Kinds = Record<never, never>>(
  code: number,
  name: string,
  fields: F,
  answer?: A,
  { exact = false }: { exact?: boolean } = {},
): RequestType<F, A> {
  return { code, name, fields: fieldsOf(fields, exact), answer: fieldsOf(answer ?? ({} as A)) }
}

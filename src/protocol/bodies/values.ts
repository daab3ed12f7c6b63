/** What a body should be, taken out of what it is. */

import { type FastjsonValue, parseFastjson } from '../fastjson.js'
import { FieldError } from '../fields.js'

export type FastjsonObject = { readonly [name: string]: FastjsonValue }

/** A body's JSON; undefined for none. What is no JSON ends the request as in Java. */
export function bodyValue(body: Uint8Array): FastjsonValue {
  if (body.length === 0) return undefined
  try {
    return parseFastjson(Buffer.from(body.buffer, body.byteOffset, body.length).toString())
  } catch (error) {
    throw new FieldError('com.alibaba.fastjson.JSONException', (error as Error).message)
  }
}

/** The same for a request that is nothing without one. */
export function neededBody(body: Uint8Array): FastjsonValue {
  if (body.length === 0) throw new FieldError('java.lang.NullPointerException', 'a request without its body')
  return bodyValue(body)
}

export function objectOf(value: FastjsonValue): FastjsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Map) ? (value as FastjsonObject) : {}
}

/** Of an object or a map: fastjson writes and reads both for Java's Map. */
export function entriesOf(value: FastjsonValue): [FastjsonValue, FastjsonValue][] {
  return value instanceof Map ? [...value] : Object.entries(objectOf(value))
}

export function listOf(value: FastjsonValue): readonly FastjsonValue[] {
  return Array.isArray(value) ? value : []
}

export function numberOf(value: FastjsonValue, otherwise: number): number {
  const number = Number(value ?? Number.NaN)
  return Number.isFinite(number) ? number : otherwise
}

export function textOf(value: FastjsonValue): string {
  return value === null || value === undefined ? '' : String(value)
}

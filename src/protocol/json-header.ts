/**
 * A frame's header as JSON: one object, its keys in the order of the alphabet as Java writes them.
 *
 *   {"code":0,"extFields":{"offset":"3"},"flag":1,"language":"JAVA","opaque":29,"remark":"…","serializeTypeCurrentRPC":"JSON","version":409}
 */
import type { Fields, Header } from './command.js'
import { type FastjsonValue, parseFastjson, quote, writeFastjson } from './fastjson.js'
import { FrameError } from './frame.js'
import { isLanguage, type Language, languageOf } from './language.js'

const INT32 = /^[+-]?\d{1,10}$/

/** As tolerant as Java: unknown keys, missing ones, numbers as text, a language's number in place of its name. */
export function readJsonHeader(bytes: Buffer): Header {
  try {
    return headerOf(parseFastjson(bytes.toString()))
  } catch (error) {
    throw error instanceof FrameError ? error : new FrameError(`a header that is no JSON: ${(error as Error).message}`)
  }
}

function headerOf(header: FastjsonValue): Header {
  if (!isObject(header)) throw new FrameError('a header that is no object')
  const { extFields, remark } = header
  if (extFields !== undefined && extFields !== null && !isObject(extFields)) throw new FrameError('a header whose extFields are no object')
  return {
    code: int32(header, 'code'),
    language: language(header.language),
    version: int32(header, 'version'),
    opaque: int32(header, 'opaque'),
    flag: int32(header, 'flag'),
    remark: remark === undefined || remark === null ? undefined : text(remark),
    fields: extFields === undefined || extFields === null ? undefined : texts(extFields),
  }
}

/** `fields` in the order in which they are given. */
export function writeJsonHeader({ code, fields, flag, language, opaque, remark, version }: Header): Buffer {
  let json = `{"code":${code},`
  if (fields !== undefined) {
    let first = true
    json += '"extFields":{'
    for (const name in fields) {
      const value = fields[name]
      if (value === undefined) continue
      json += `${first ? '' : ','}${quote(name)}:${quote(value)}`
      first = false
    }
    json += '},'
  }
  json += `"flag":${flag},`
  if (language !== undefined) json += `"language":"${language}",`
  json += `"opaque":${opaque},`
  if (remark !== undefined) json += `"remark":${quote(remark)},`
  return Buffer.from(`${json}"serializeTypeCurrentRPC":"JSON","version":${version}}`)
}

type JsonObject = { readonly [name: string]: FastjsonValue }

function isObject(value: FastjsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Map)
}

function int32(header: JsonObject, name: string): number {
  const value = header[name]
  if (value === undefined || value === null) return 0
  const number = typeof value === 'string' && INT32.test(value) ? Number(value) : value
  if (typeof number === 'number' && number === (number | 0)) return number
  throw new FrameError(`a header whose ${name} is ${text(value)}, no number of 32 bits`)
}

function language(value: FastjsonValue): Language | undefined {
  if (typeof value === 'string') return isLanguage(value) ? value : undefined
  if (value === undefined || value === null) return undefined
  const known = typeof value === 'number' ? languageOf(value) : undefined
  if (known === undefined) throw new FrameError(`a header whose language is ${text(value)}, the number of none`)
  return known
}

function texts(fields: JsonObject): Fields {
  for (const name in fields) {
    if (typeof fields[name] === 'string') continue
    // The rare case: not all are text.
    return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, value === null ? undefined : text(value)]))
  }
  return fields as Fields
}

function text(value: FastjsonValue): string {
  return typeof value === 'string' ? value : writeFastjson(value)
}

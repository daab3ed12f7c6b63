/** One line of `store append` as a message. Lines of `store dump` are taken too: what the new store decides itself is left aside. */
import type { MessageInput } from '../index.js'
import { type Line, LineError } from './ndjson.js'

type Kind = 'string' | 'number' | 'keys' | 'properties'

const taken: Readonly<Record<string, Kind>> = {
  topic: 'string',
  queueId: 'number',
  body: 'string',
  bodyBase64: 'string',
  tags: 'string',
  keys: 'keys',
  properties: 'properties',
  flag: 'number',
  sysFlag: 'number',
  bornTimestamp: 'number',
  bornHost: 'string',
  reconsumeTimes: 'number',
}

/** Of the store that a dump is from. */
const leftAside: readonly string[] = [
  'queueOffset',
  'logOffset',
  'size',
  'messageId',
  'storeTimestamp',
  'storeHost',
  'preparedTransactionOffset',
]

/** Throws LineError. What the store itself checks (sizes, names) is left to it. */
export function parseMessage({ number, text }: Line, defaultTopic: string | undefined): MessageInput {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new LineError(number, `it is no JSON (${(error as Error).message})`)
  }
  if (!isObject(value)) throw new LineError(number, 'it is no JSON object')
  const message: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(value)) {
    if (leftAside.includes(name)) continue
    const kind = Object.hasOwn(taken, name) ? taken[name] : undefined
    if (kind === undefined) throw new LineError(number, `the field '${name}' is unknown; allowed: ${Object.keys(taken).join(', ')}`)
    if (!isOfKind(field, kind)) throw new LineError(number, `the field '${name}' must be ${described[kind]}`)
    message[name] = field
  }
  const { bodyBase64, ...input } = message
  if (bodyBase64 !== undefined) {
    if (input.body !== undefined) throw new LineError(number, "it has both 'body' and 'bodyBase64'")
    if (!isBase64(bodyBase64 as string)) throw new LineError(number, "the field 'bodyBase64' is no base64")
    input.body = Buffer.from(bodyBase64 as string, 'base64')
  }
  input.topic ??= defaultTopic
  if (input.topic === undefined) throw new LineError(number, "it has no 'topic', and there is no --topic")
  return input as unknown as MessageInput
}

const described: Readonly<Record<Kind, string>> = {
  string: 'a string',
  number: 'a number',
  keys: 'a string or an array of strings',
  properties: 'an object of strings',
}

function isOfKind(value: unknown, kind: Kind): boolean {
  const areStrings = (values: unknown[]) => values.every((item) => typeof item === 'string')
  if (kind === 'keys') return typeof value === 'string' || (Array.isArray(value) && areStrings(value))
  if (kind === 'properties') return isObject(value) && areStrings(Object.values(value))
  return kind === 'string' ? typeof value === 'string' : typeof value === 'number'
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text)
}

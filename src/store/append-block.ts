/**
 * The memory through which messages reach the core: fields as flat values, one entry a message, many entries a crossing. The layout stands in
 * native/napi/append.cc; nothing of it reaches a file. The core writes its answer over each entry's head.
 */
import { storeError } from '../errors.js'
import { parseHost } from '../format/host.js'
import { MAX_PROPERTY_BYTES } from '../format/properties.js'
import type { NativeAppend, NativeStore } from '../native/binding.js'
import { binding } from '../native/binding.js'
import type { QueueNumbers } from './queue-numbers.js'
import type { MessageInput } from './types.js'

const HEAD_BYTES = binding.constants.entryHeadBytes
/** Where the first message begins. In front, as int32: where the messages end, how many they are, flags, and the core's answer. */
export const FIRST = binding.constants.blockHeadBytes
const BLOCK_BYTES = 1 << 20
/** A body of this size is handed over where it lies instead of being copied into the block. */
const OUTSIDE_BODY_BYTES = 64 << 10
const HOST_BYTES = 20
const NAME_END = 1
const PROPERTY_END = 2
const MAX_INT32 = 0x7fffffff
/** A string of at most this many ASCII characters is written faster by hand. */
const SHORT_STRING = 40

const encoder = new TextEncoder()

export class AppendBlock {
  readonly #append: NativeAppend
  readonly #bytes: Uint8Array
  readonly #i32: Int32Array
  readonly #f64: Float64Array
  readonly #queues: QueueNumbers
  readonly #allowOutside: boolean
  #end = FIRST
  #count = 0
  #outside: Uint8Array | undefined
  /** Of those messages in the block that name one, by their place. */
  readonly #storeHosts = new Map<number, string>()

  /** `allowOutside`: a large body may seal the block and be handed over where it lies. */
  constructor(store: NativeStore, queues: QueueNumbers, blockBytes = BLOCK_BYTES, allowOutside = true) {
    const { append, block } = binding.createAppender(store, blockBytes)
    this.#queues = queues
    this.#allowOutside = allowOutside
    this.#append = append
    this.#bytes = new Uint8Array(block)
    this.#i32 = new Int32Array(block)
    this.#f64 = new Float64Array(block)
  }

  /** Bytes of all that the block can hold. */
  get capacity(): number {
    return this.#bytes.length
  }

  /** Bytes of the messages that wait in the block. */
  get used(): number {
    return this.#end - FIRST
  }

  /** No further message can be put before the next commit. */
  get sealed(): boolean {
    return this.#outside !== undefined
  }

  clear(): void {
    this.#end = FIRST
    this.#count = 0
    this.#outside = undefined
  }

  /**
   * Puts a message; false when the block has no room for it and must be committed first.
   * Throws MESSAGE_ILLEGAL or INVALID_ARGUMENT for what no store would take, and leaves the block as it was.
   */
  put(message: MessageInput): boolean {
    checkMessage(message)
    // Each field is read once: it may be a getter.
    const { topic, queueId, body, tags = '', keys, properties, flag, sysFlag, reconsumeTimes } = message
    const { bornTimestamp, bornHost, storeHost, preparedTransactionOffset } = message
    if (typeof tags !== 'string') throw storeError('INVALID_ARGUMENT', { what: 'tags', value: tags, allowed: 'a string' })
    const queue = this.#queues.of(topic, queueId ?? 0, true)
    const at = this.#end
    const start = at >> 2

    let bytes = typeof body === 'string' ? encoder.encode(body) : body
    if (bytes !== undefined && !(bytes instanceof Uint8Array))
      throw storeError('INVALID_ARGUMENT', { what: 'body', value: body, allowed: 'a Uint8Array or a string' })
    const bodyBytes = bytes === undefined ? 0 : bytes.length
    if (bodyBytes > MAX_INT32) throw tooLong(bodyBytes)
    const outside = bodyBytes >= OUTSIDE_BODY_BYTES && this.#allowOutside
    // What another thread may write to while it is stored would get a CRC that it does not have.
    if (outside && bytes !== undefined && bytes.buffer instanceof SharedArrayBuffer) bytes = new Uint8Array(bytes)
    const keyText = keys === undefined ? '' : typeof keys === 'string' ? keys : joinKeys(keys)
    const pairs = properties === undefined ? NO_PAIRS : pairsOf(properties)
    let characters = tags.length + keyText.length
    for (let i = 0; i < pairs.length; i += 2) characters += (pairs[i] as string).length + 1 + (pairs[i + 1] as string).length
    if (characters > MAX_PROPERTY_BYTES) throw storeError('PROPERTIES_SIZE_EXCEEDED', { bytes: characters })
    // The room that is certainly enough; a string takes three bytes a character at most.
    const room = HEAD_BYTES + 2 * HOST_BYTES + 3 * characters + (outside ? 0 : bodyBytes) + 16
    if (this.#outside !== undefined || at + room > this.#bytes.length) {
      if (this.#count > 0 || !this.#allowOutside) return false
      throw tooLong(bodyBytes)
    }

    const i32 = this.#i32
    let cursor = at + HEAD_BYTES
    let hosts = 0
    if (bornHost !== undefined) {
      hosts = this.#putHost(cursor, bornHost)
      cursor += HOST_BYTES
    }
    if (storeHost !== undefined) {
      hosts |= this.#putHost(cursor, storeHost) << 8
      cursor += HOST_BYTES
    }
    const tagsAt = cursor
    if (tags !== '') cursor = this.#putString(cursor, tags, 'tags')
    const keysAt = cursor
    if (keyText !== '') cursor = this.#putString(cursor, keyText, 'keys')
    const propertiesAt = cursor
    cursor = this.#putProperties(cursor, pairs)
    const bodyAt = cursor
    if (bytes !== undefined && !outside) {
      this.#bytes.set(bytes, cursor)
      cursor += bodyBytes
    }
    const entryBytes = (cursor - at + 7) & ~7

    i32[start] = entryBytes
    i32[start + 1] = queue
    i32[start + 2] = int32(flag, 'flag')
    i32[start + 3] = int32(sysFlag, 'sysFlag')
    i32[start + 4] = int32(reconsumeTimes, 'reconsumeTimes')
    i32[start + 5] = outside ? -bodyBytes - 1 : bodyBytes
    i32[start + 6] = keysAt - tagsAt
    i32[start + 7] = propertiesAt - keysAt
    i32[start + 8] = bodyAt - propertiesAt
    i32[start + 9] = hosts
    const f64 = this.#f64
    f64[(at >> 3) + 5] = bornTimestamp === undefined ? NaN : integer(bornTimestamp, 'bornTimestamp')
    f64[(at >> 3) + 6] = preparedTransactionOffset === undefined ? 0 : integer(preparedTransactionOffset, 'preparedTransactionOffset')
    if (outside) this.#outside = bytes
    if (this.#count === 0 && this.#storeHosts.size > 0) this.#storeHosts.clear()
    if (storeHost !== undefined) this.#storeHosts.set(this.#count, storeHost)
    this.#end = at + entryBytes
    this.#count++
    return true
  }

  /**
   * Appends everything in the block in one crossing; flags and what it gives are the sums of native/napi/append.cc. Until the next `put` the answer to each message is read at
   * its place, from `FIRST` on; the block is empty afterwards. Throws when the store refused all of it.
   */
  commit(flags: number): number {
    const i32 = this.#i32
    const outside = this.#outside
    i32[0] = this.#end
    i32[1] = this.#count
    i32[2] = flags
    this.clear()
    if (outside === undefined) this.#append()
    else this.#append(outside)
    return i32[3] as number
  }

  /** Length of the entry at `at`: the next one follows. */
  entryBytes(at: number): number {
    return this.#i32[at >> 2] as number
  }

  /** 0, or the number of a code. */
  code(at: number): number {
    return this.#i32[(at >> 2) + 1] as number
  }

  /** Why a message is illegal: 0 its size, 1 the queues that it names. */
  why(at: number): number {
    return this.#i32[(at >> 2) + 3] as number
  }

  size(at: number): number {
    return this.#i32[(at >> 2) + 2] as number
  }

  logOffset(at: number): number {
    return this.#f64[(at >> 3) + 2] as number
  }

  queueOffset(at: number): number {
    return this.#f64[(at >> 3) + 3] as number
  }

  storeTimestamp(at: number): number {
    return this.#f64[(at >> 3) + 4] as number
  }

  /** The store host that message number `i` has named, if it has. */
  storeHost(i: number): string | undefined {
    return this.#storeHosts.size === 0 ? undefined : this.#storeHosts.get(i)
  }

  #putString(at: number, text: string, what: string): number {
    if (typeof text !== 'string') throw storeError('INVALID_ARGUMENT', { what, value: text, allowed: 'a string' })
    const bytes = this.#bytes
    const length = text.length
    if (length <= SHORT_STRING) {
      let i = 0
      for (; i < length; i++) {
        const c = text.charCodeAt(i)
        if (c >= 0x80 || c === PROPERTY_END) break
        bytes[at + i] = c
      }
      if (i === length) return at + length
    }
    if (text.includes('\u0002'))
      throw storeError('MESSAGE_ILLEGAL', { reason: `${what} contains the character U+0002, which ends a property` })
    return at + encoder.encodeInto(text, bytes.subarray(at)).written
  }

  #putProperties(at: number, pairs: readonly string[]): number {
    let cursor = at
    for (let i = 0; i < pairs.length; i += 2) {
      const name = pairs[i] as string
      if (cursor > at) this.#bytes[cursor++] = PROPERTY_END
      cursor = this.#putString(cursor, name, 'a property name')
      this.#bytes[cursor++] = NAME_END
      cursor = this.#putString(cursor, pairs[i + 1] as string, `properties.${name}`)
    }
    return cursor
  }

  #putHost(at: number, text: string): number {
    const host = parseHost(text)
    if (host === undefined) throw storeError('INVALID_ARGUMENT', { what: 'host', value: text, allowed: "'ip:port' or '[ip6]:port'" })
    this.#bytes.set(host.address, at)
    // Behind an IPv4 address lie 12 unused bytes: the port is always at 16.
    new DataView(this.#bytes.buffer).setInt32(at + 16, host.port, true)
    return host.address.length
  }
}

/** Throws INVALID_ARGUMENT for what is no message at all. */
export function checkMessage(message: MessageInput): void {
  if (message === null || typeof message !== 'object')
    throw storeError('INVALID_ARGUMENT', { what: 'message', value: message, allowed: 'an object' })
}

function tooLong(bodyBytes: number): Error {
  return storeError('MESSAGE_ILLEGAL', { reason: `its body takes ${bodyBytes} bytes, more than any store takes` })
}

const NO_PAIRS: readonly string[] = []

/** Names and values in turn. */
function pairsOf(properties: Readonly<Record<string, string>>): string[] {
  if (properties === null || typeof properties !== 'object')
    throw storeError('INVALID_ARGUMENT', { what: 'properties', value: properties, allowed: 'an object of strings' })
  const pairs: string[] = []
  for (const name in properties) {
    const value = properties[name]
    if (name === 'TAGS' || name === 'KEYS')
      throw storeError('INVALID_ARGUMENT', {
        what: `properties.${name}`,
        value,
        allowed: `the field '${name.toLowerCase()}' instead`,
      })
    if (name === '' || name.includes('\u0001'))
      throw storeError('MESSAGE_ILLEGAL', { reason: `a property's name is empty or contains U+0001` })
    if (typeof value !== 'string') throw storeError('INVALID_ARGUMENT', { what: `properties.${name}`, value, allowed: 'a string' })
    pairs.push(name, value)
  }
  return pairs
}

function joinKeys(keys: readonly string[]): string {
  if (!Array.isArray(keys)) throw storeError('INVALID_ARGUMENT', { what: 'keys', value: keys, allowed: 'a string or an array of strings' })
  let joined = ''
  for (let i = 0; i < keys.length; i++) {
    const key: unknown = keys[i]
    if (typeof key !== 'string' || key.includes(' '))
      throw storeError('INVALID_ARGUMENT', { what: 'keys', value: key, allowed: 'strings without a space' })
    joined = i === 0 ? key : `${joined} ${key}`
  }
  return joined
}

function int32(value: number | undefined, what: string): number {
  if (value === undefined) return 0
  if ((value | 0) !== value) throw storeError('INVALID_ARGUMENT', { what, value, allowed: 'a 32-bit whole number' })
  return value
}

function integer(value: number, what: string): number {
  if (!Number.isSafeInteger(value)) throw storeError('INVALID_ARGUMENT', { what, value, allowed: 'a safe whole number' })
  return value
}

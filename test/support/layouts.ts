/**
 * Writers of every layout that src/format reads, for tests alone: written from the description of the formats, not from the readers. In the product
 * the core is the only writer.
 */
import { crc32 } from 'node:zlib'
import fc from 'fast-check'

export interface RecordFields {
  queueId: number
  flag: number
  queueOffset: number
  logOffset: number
  sysFlag: number
  bornTimestamp: number
  /** Address of 4 or 16 bytes, then the port. */
  bornHost: Uint8Array
  storeTimestamp: number
  storeHost: Uint8Array
  reconsumeTimes: number
  preparedTransactionOffset: number
  body: Uint8Array
  topic: string
  properties: Record<string, string>
  version: 1 | 2
}

const i8 = (value: number) => Buffer.from(Int8Array.of(value).buffer)
const i16 = (value: number) => bytesOf(2, (view) => view.setInt16(0, value))
const i32 = (value: number) => bytesOf(4, (view) => view.setInt32(0, value))
const i64 = (value: number | bigint) => bytesOf(8, (view) => view.setBigInt64(0, BigInt(value)))

export function encodeRecord(fields: RecordFields): Buffer {
  const topic = Buffer.from(fields.topic)
  const properties = Buffer.from(encodeProperties(fields.properties))
  const rest = Buffer.concat([
    i32(fields.version === 1 ? 0xdaa320a7 : 0xdaa320ab),
    i32(crc32(fields.body) & 0x7fffffff),
    i32(fields.queueId),
    i32(fields.flag),
    i64(fields.queueOffset),
    i64(fields.logOffset),
    i32((fields.sysFlag & ~0x30) | (fields.bornHost.length === 20 ? 0x10 : 0) | (fields.storeHost.length === 20 ? 0x20 : 0)),
    i64(fields.bornTimestamp),
    fields.bornHost,
    i64(fields.storeTimestamp),
    fields.storeHost,
    i32(fields.reconsumeTimes),
    i64(fields.preparedTransactionOffset),
    i32(fields.body.length),
    fields.body,
    fields.version === 1 ? i8(topic.length) : i16(topic.length),
    topic,
    i16(properties.length),
    properties,
  ])
  return Buffer.concat([i32(4 + rest.length), rest])
}

/** What is left of a segment, from a blank record on. */
export function encodeBlank(bytesLeft: number): Buffer {
  return Buffer.concat([i32(bytesLeft), i32(0xcbd43194), Buffer.alloc(bytesLeft - 8)])
}

export function encodeProperties(properties: Record<string, string>): string {
  return Object.entries(properties)
    .map(([name, value]) => `${name}\u0001${value}`)
    .join('\u0002')
}

export function encodeUnit({ logOffset, size, tagCode }: { logOffset: number; size: number; tagCode: bigint }): Buffer {
  return Buffer.concat([i64(logOffset), i32(size), i64(tagCode)])
}

export function encodeExtensionUnit(tagCode: bigint, storeTimestamp: number, filterBits: Uint8Array): Buffer {
  return Buffer.concat([i16(20 + filterBits.length), i64(tagCode), i64(storeTimestamp), i16(filterBits.length), filterBits])
}

export function encodeCheckpoint(times: readonly number[]): Buffer {
  const head = Buffer.concat(times.map(i64))
  return Buffer.concat([head, Buffer.alloc(4096 - head.length)])
}

export interface IndexPut {
  keyHash: number
  logOffset: number
  storeTimestamp: number
}

/** An index file into which `puts` went, in this order. */
export function encodeIndexFile(slots: number, entries: number, puts: readonly IndexPut[]): Buffer {
  const file = Buffer.alloc(40 + 4 * slots + 20 * entries)
  const begin = puts[0]?.storeTimestamp ?? 0
  let used = 0
  for (const [i, { keyHash, logOffset, storeTimestamp }] of puts.entries()) {
    const slot = 40 + 4 * (keyHash % slots)
    const previous = file.readInt32BE(slot)
    if (previous === 0) used++
    const entry = [i32(keyHash), i64(logOffset), i32(Math.floor((storeTimestamp - begin) / 1000)), i32(previous)]
    file.set(Buffer.concat(entry), 40 + 4 * slots + 20 * (i + 1))
    file.set(i32(i + 1), slot)
  }
  const last = puts.at(-1)
  const header = [
    i64(begin),
    i64(last?.storeTimestamp ?? 0),
    i64(puts[0]?.logOffset ?? 0),
    i64(last?.logOffset ?? 0),
    i32(used),
    i32(puts.length + 1),
  ]
  file.set(Buffer.concat(header))
  return file
}

export const anyInt32 = fc.integer({ min: -0x80000000, max: 0x7fffffff })
export const anyOffset = fc.nat({ max: Number.MAX_SAFE_INTEGER })
export const anyHost = fc
  .tuple(fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 })), fc.nat({ max: 65535 }))
  .map(([address, port]) => ({ address, port, bytes: Buffer.concat([address, i32(port)]) }))
/** Whole characters, none of them an end of a name or a property. */
export const anyText = (constraints: { minLength?: number; maxLength?: number } = {}) =>
  fc.string({ unit: 'grapheme', ...constraints }).filter((text) => !text.includes('\u0001') && !text.includes('\u0002'))
export const anyProperties = fc.dictionary(anyText({ minLength: 1, maxLength: 12 }), anyText({ minLength: 1, maxLength: 20 }), {
  maxKeys: 8,
})
export const anyTopic = fc.string({ unit: fc.constantFrom(...'%|-_0189abyzABYZ'), minLength: 1, maxLength: 127 })

export const anyRecord: fc.Arbitrary<RecordFields> = fc.record({
  queueId: anyInt32,
  flag: anyInt32,
  queueOffset: anyOffset,
  logOffset: anyOffset,
  sysFlag: anyInt32,
  bornTimestamp: anyOffset,
  bornHost: anyHost.map(({ bytes }) => bytes),
  storeTimestamp: anyOffset,
  storeHost: anyHost.map(({ bytes }) => bytes),
  reconsumeTimes: anyInt32,
  preparedTransactionOffset: anyOffset,
  body: fc.uint8Array({ maxLength: 300 }),
  topic: anyTopic,
  properties: anyProperties,
  version: fc.constantFrom(1, 2),
})

function bytesOf(length: number, write: (view: DataView) => void): Buffer {
  const bytes = Buffer.alloc(length)
  write(new DataView(bytes.buffer, bytes.byteOffset, length))
  return bytes
}

/**
 * A commit-log record, read. The core writes it (native/core/record.cc). All integers big-endian and signed; h is 8 or, for an IPv6 host, 20 bytes:
 *
 *   byte 0       4      8     12      16    20           28         36       40          48
 *        ├ size  ┼ magic ┼ crc ┼ queue ┼ flag ┼ queue      ┼ log      ┼ sysFlag ┼ born time ┼ born host h, store time 8, store host h,
 *        │       │      │     │ id    │      │ offset     │ offset   │        │           │ reconsume times 4, prepared offset 8,
 *
 *   body length 4, body, topic length 1 (version 2: 2), topic, properties length 2, properties
 *
 * A blank record is size and magic alone, and ends a segment: the rest of it is unused. Records never cross a segment's end.
 * The functions that take `(bytes, at)` read one field of a record that checkRecord has found good.
 */
import { storeError } from '../errors.js'
import { int16, int32, int64 } from './bytes.js'
import { bodyCrc } from './crc.js'
import { HOST_BYTES_V4, HOST_BYTES_V6, hostText } from './host.js'
import { messageIdOf } from './message-id.js'
import { readProperties } from './properties.js'
import { shortText } from './short-text.js'
import { SYS_FLAG_BORN_HOST_V6, SYS_FLAG_STORE_HOST_V6 } from './sys-flag.js'

export const RECORD_MAGIC = 0xdaa320a7 | 0
/** Written by RocketMQ 5 for topics of more than 127 characters. */
export const RECORD_MAGIC_V2 = 0xdaa320ab | 0
export const BLANK_MAGIC = 0xcbd43194 | 0

export const SIZE_AT = 0
export const MAGIC_AT = 4
export const BODY_CRC_AT = 8
export const QUEUE_ID_AT = 12
export const FLAG_AT = 16
export const QUEUE_OFFSET_AT = 20
export const LOG_OFFSET_AT = 28
export const SYS_FLAG_AT = 36
export const BORN_TIMESTAMP_AT = 40
export const BORN_HOST_AT = 48

/** Size and magic; every full segment ends with at least so much. */
export const BLANK_BYTES = 8
/** No body, topic or properties, IPv4 hosts. */
export const MIN_RECORD_BYTES = 91

const BODY_AT_V4 = 88
const V6_MORE = HOST_BYTES_V6 - HOST_BYTES_V4

/**
 * What lies at a place of the log. `end`: nothing was written there. Damage: `badMagic`; `cut`, it claims more bytes than there are or a part
 * reaches over its end; `badLength`, its parts do not add up to its size; `badOffset`, it belongs to another place; `badCrc`, its body changed.
 */
export type RecordFound = 'record' | 'blank' | 'end' | 'badMagic' | 'cut' | 'badLength' | 'badOffset' | 'badCrc'

export interface RecordCheck {
  readonly found: RecordFound
  /** Bytes that it says it has; of a blank record, all that is left of its segment. */
  readonly size: number
}

export interface CheckOptions {
  /** Where what may be read ends; default the end of `bytes`. */
  readonly end?: number
  /** Where the record lies in the log; compared with what it says itself. */
  readonly logOffset?: number
  /** Default true. */
  readonly checkCrc?: boolean
}

/** A record with all of its fields. `body` and `raw` are views. */
export interface StoredRecord {
  readonly size: number
  readonly version: 1 | 2
  readonly bodyCrc: number
  readonly queueId: number
  readonly flag: number
  readonly queueOffset: number
  readonly logOffset: number
  readonly sysFlag: number
  readonly bornTimestamp: number
  readonly bornHost: string
  readonly storeTimestamp: number
  readonly storeHost: string
  readonly reconsumeTimes: number
  readonly preparedTransactionOffset: number
  readonly body: Buffer
  readonly topic: string
  readonly properties: Record<string, string>
  readonly messageId: string
  readonly raw: Buffer
}

/** Looks at what lies at `at`. Damage is an answer, not an error. */
export function checkRecord(bytes: Uint8Array, at = 0, { end = bytes.length, logOffset, checkCrc = true }: CheckOptions = {}): RecordCheck {
  const available = end - at
  if (available < BLANK_BYTES) return { found: 'cut', size: 0 }
  const size = int32(bytes, at + SIZE_AT)
  const magic = int32(bytes, at + MAGIC_AT)
  if (magic === BLANK_MAGIC) return { found: size >= BLANK_BYTES && size <= available ? 'blank' : 'badLength', size }
  if (magic !== RECORD_MAGIC && magic !== RECORD_MAGIC_V2) return { found: size === 0 && magic === 0 ? 'end' : 'badMagic', size }
  if (size < MIN_RECORD_BYTES || size > available) return { found: 'cut', size }

  const recordEnd = at + size
  const body = bodyAt(bytes, at)
  if (body > recordEnd) return { found: 'cut', size }
  const bodyLength = int32(bytes, body - 4)
  const topicLengthAt = body + bodyLength
  const topic = topicLengthAt + topicLengthBytes(bytes, at)
  if (bodyLength < 0 || topic > recordEnd) return { found: 'cut', size }
  const topicLength = magic === RECORD_MAGIC ? (bytes[topicLengthAt]! << 24) >> 24 : int16(bytes, topicLengthAt)
  const properties = topic + topicLength + 2
  if (topicLength < 0 || properties > recordEnd) return { found: 'cut', size }
  const propertiesLength = int16(bytes, properties - 2)
  if (propertiesLength < 0 || properties + propertiesLength > recordEnd) return { found: 'cut', size }

  if (properties + propertiesLength !== recordEnd) return { found: 'badLength', size }
  if (logOffset !== undefined && int64(bytes, at + LOG_OFFSET_AT) !== logOffset) return { found: 'badOffset', size }
  const crc = int32(bytes, at + BODY_CRC_AT)
  if (checkCrc && bodyLength > 0 && bodyCrc(bytes.subarray(body, topicLengthAt)) !== crc) return { found: 'badCrc', size }
  return { found: 'record', size }
}

/** The record at `at`. Throws RECORD_MALFORMED for anything else; the CRC is not looked at. */
export function readRecord(bytes: Buffer, at = 0): StoredRecord {
  const { found, size } = checkRecord(bytes, at, { checkCrc: false })
  if (found !== 'record') throw storeError('RECORD_MALFORMED', { reason: `at byte ${at} lies ${foundText(found)}` })
  const sysFlag = int32(bytes, at + SYS_FLAG_AT)
  return {
    size,
    version: int32(bytes, at + MAGIC_AT) === RECORD_MAGIC ? 1 : 2,
    bodyCrc: int32(bytes, at + BODY_CRC_AT),
    queueId: int32(bytes, at + QUEUE_ID_AT),
    flag: int32(bytes, at + FLAG_AT),
    queueOffset: int64(bytes, at + QUEUE_OFFSET_AT),
    logOffset: int64(bytes, at + LOG_OFFSET_AT),
    sysFlag,
    bornTimestamp: int64(bytes, at + BORN_TIMESTAMP_AT),
    bornHost: bornHostOf(bytes, at),
    storeTimestamp: storeTimestampOf(bytes, at),
    storeHost: storeHostOf(bytes, at),
    reconsumeTimes: reconsumeTimesOf(bytes, at),
    preparedTransactionOffset: preparedTransactionOffsetOf(bytes, at),
    body: bodyOf(bytes, at),
    topic: topicOf(bytes, at),
    properties: propertiesOf(bytes, at),
    messageId: messageIdAt(bytes, at),
    raw: bytes.subarray(at, at + size),
  }
}

/** For messages: what was found, with its article. */
export function foundText(found: RecordFound): string {
  return FOUND_TEXTS[found]
}

const FOUND_TEXTS: Readonly<Record<RecordFound, string>> = {
  record: 'a record',
  blank: 'a blank record',
  end: 'nothing',
  badMagic: "no record's magic number",
  cut: 'a record that is cut off',
  badLength: 'a record whose parts do not add up to its size',
  badOffset: 'a record that belongs to another place',
  badCrc: 'a record whose body does not match its CRC',
}

export function bornHostOf(bytes: Uint8Array, at: number): string {
  return hostText(bytes, at + BORN_HOST_AT, bornHostBytes(bytes, at))
}

export function storeTimestampOf(bytes: Uint8Array, at: number): number {
  return int64(bytes, at + BORN_HOST_AT + bornHostBytes(bytes, at))
}

export function storeHostOf(bytes: Uint8Array, at: number): string {
  return hostText(bytes, storeHostAt(bytes, at), storeHostBytes(bytes, at))
}

export function reconsumeTimesOf(bytes: Uint8Array, at: number): number {
  return int32(bytes, bodyAt(bytes, at) - 16)
}

/** Log offset of the half message that a commit record ends. */
export function preparedTransactionOffsetOf(bytes: Uint8Array, at: number): number {
  return int64(bytes, bodyAt(bytes, at) - 12)
}

export function bodyOf(bytes: Buffer, at: number): Buffer {
  const body = bodyAt(bytes, at)
  return bytes.subarray(body, body + int32(bytes, body - 4))
}

export function topicOf(bytes: Buffer, at: number): string {
  const topic = topicAt(bytes, at)
  return shortText(bytes, topic, topic + topicBytes(bytes, at, topic))
}

export function propertiesOf(bytes: Buffer, at: number): Record<string, string> {
  return readProperties(bytes.toString('utf8', propertiesAt(bytes, at), at + int32(bytes, at + SIZE_AT)))
}

/** Start of the property string, which ends with the record. */
export function propertiesAt(bytes: Uint8Array, at: number): number {
  const topic = topicAt(bytes, at)
  return topic + topicBytes(bytes, at, topic) + 2
}

/** The offset message id: the record's own store host and log offset. */
export function messageIdAt(bytes: Buffer, at: number): string {
  const host = storeHostAt(bytes, at)
  return messageIdOf(bytes.subarray(host, host + storeHostBytes(bytes, at)), int64(bytes, at + LOG_OFFSET_AT))
}

function bodyAt(bytes: Uint8Array, at: number): number {
  const sysFlag = bytes[at + SYS_FLAG_AT + 3]!
  return at + BODY_AT_V4 + (sysFlag & SYS_FLAG_BORN_HOST_V6 ? V6_MORE : 0) + (sysFlag & SYS_FLAG_STORE_HOST_V6 ? V6_MORE : 0)
}

function bornHostBytes(bytes: Uint8Array, at: number): number {
  return bytes[at + SYS_FLAG_AT + 3]! & SYS_FLAG_BORN_HOST_V6 ? HOST_BYTES_V6 : HOST_BYTES_V4
}

function storeHostBytes(bytes: Uint8Array, at: number): number {
  return bytes[at + SYS_FLAG_AT + 3]! & SYS_FLAG_STORE_HOST_V6 ? HOST_BYTES_V6 : HOST_BYTES_V4
}

function storeHostAt(bytes: Uint8Array, at: number): number {
  return at + BORN_HOST_AT + bornHostBytes(bytes, at) + 8
}

function topicLengthBytes(bytes: Uint8Array, at: number): number {
  return int32(bytes, at + MAGIC_AT) === RECORD_MAGIC ? 1 : 2
}

function topicAt(bytes: Uint8Array, at: number): number {
  const body = bodyAt(bytes, at)
  return body + int32(bytes, body - 4) + topicLengthBytes(bytes, at)
}

/** Both versions' topics are shorter than 256 bytes where version 1 has one byte for the length. */
function topicBytes(bytes: Uint8Array, at: number, topic: number): number {
  return topicLengthBytes(bytes, at) === 1 ? bytes[topic - 1]! : int16(bytes, topic - 2)
}

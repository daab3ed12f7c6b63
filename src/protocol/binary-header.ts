/**
 * A frame's header in RocketMQ's binary form.
 *
 *   byte 0      2          3         5        9      13              17
 *        ├ code ┼ language ┼ version ┼ opaque ┼ flag ┼ remark length ┼ remark ┼ i32 fields' bytes ┼ fields ┤   big-endian
 *
 * A field is an i16 length and its name, an i32 length and its value. No remark and no fields have length 0; an empty value is no value.
 * A negative length of the fields is read as none, as Java does.
 */
import type { Header } from './command.js'
import { FrameError } from './frame.js'
import { languageNumber, languageOf } from './language.js'

const FIXED_BYTES = 17
const OTHER = languageNumber('OTHER')

export function readBinaryHeader(bytes: Buffer): Header {
  if (bytes.length < FIXED_BYTES) throw cutOff()
  const remarkBytes = bytes.readInt32BE(13)
  if (remarkBytes < 0) throw cutOff()
  const fieldsAt = FIXED_BYTES + remarkBytes
  if (fieldsAt + 4 > bytes.length) throw cutOff()
  const fieldBytes = bytes.readInt32BE(fieldsAt)
  const end = fieldsAt + 4 + Math.max(0, fieldBytes)
  if (end > bytes.length) throw cutOff()
  return {
    code: bytes.readInt16BE(0),
    language: languageOf(bytes.readInt8(2)),
    version: bytes.readInt16BE(3),
    opaque: bytes.readInt32BE(5),
    flag: bytes.readInt32BE(9),
    remark: remarkBytes > 0 ? bytes.toString('utf8', FIXED_BYTES, fieldsAt) : undefined,
    fields: fieldBytes > 0 ? readFields(bytes, fieldsAt + 4, end) : undefined,
  }
}

function readFields(bytes: Buffer, from: number, end: number): Record<string, string | undefined> {
  const fields: Record<string, string | undefined> = {}
  let at = from
  const length = (size: 2 | 4): number => {
    if (at + size > end) throw cutOff()
    const value = size === 2 ? bytes.readInt16BE(at) : bytes.readInt32BE(at)
    at += size
    if (value < 0 || at + value > end) throw cutOff()
    return value
  }
  const text = (size: 2 | 4): string | undefined => {
    const until = length(size) + at
    const value = until === at ? undefined : bytes.toString('utf8', at, until)
    at = until
    return value
  }
  while (at < end) {
    const name = text(2)
    const value = text(4)
    if (name !== undefined) define(fields, name, value)
  }
  return fields
}

/** Not `fields[name] = value`: a peer may call a field `__proto__`. */
function define(fields: Record<string, string | undefined>, name: string, value: string | undefined): void {
  if (name !== '__proto__') fields[name] = value
}

/** `fields` in the order in which they are given. */
export function writeBinaryHeader({ code, language, version, opaque, flag, remark, fields }: Header): Buffer {
  const remarkBytes = remark === undefined ? 0 : Buffer.byteLength(remark)
  let fieldBytes = 0
  for (const name in fields) {
    const value = fields[name]
    if (value !== undefined) fieldBytes += 6 + Buffer.byteLength(name) + Buffer.byteLength(value)
  }
  const bytes = Buffer.allocUnsafe(FIXED_BYTES + remarkBytes + 4 + fieldBytes)
  bytes.writeInt16BE((code << 16) >> 16, 0)
  bytes.writeInt8(language === undefined ? OTHER : languageNumber(language), 2)
  bytes.writeInt16BE(version, 3)
  bytes.writeInt32BE(opaque, 5)
  bytes.writeInt32BE(flag, 9)
  bytes.writeInt32BE(remarkBytes, 13)
  let at = FIXED_BYTES
  if (remark !== undefined) at += bytes.write(remark, at)
  at = bytes.writeInt32BE(fieldBytes, at)
  for (const name in fields) {
    const value = fields[name]
    if (value === undefined) continue
    const nameBytes = bytes.write(name, at + 2)
    bytes.writeInt16BE(nameBytes, at)
    at += 2 + nameBytes
    const valueBytes = bytes.write(value, at + 4)
    bytes.writeInt32BE(valueBytes, at)
    at += 4 + valueBytes
  }
  return bytes
}

function cutOff(): FrameError {
  return new FrameError('a header whose lengths reach beyond it')
}

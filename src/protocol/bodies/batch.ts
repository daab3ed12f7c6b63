/**
 * Many messages of one topic and queue in one send, back to back:
 *
 *   i32 size of all ┼ i32 0 ┼ i32 0 ┼ i32 flag ┼ i32 length ┼ body ┼ i16 length ┼ properties
 */
import { FieldError } from '../fields.js'

export interface BatchedMessage {
  readonly flag: number
  /** A view of the request's body. */
  readonly body: Buffer
  /** As they are stored: bodies and names with their separators. */
  readonly properties: string
}

const FLAG_AT = 12
const BODY_AT = 20
const LEAST_BYTES = BODY_AT + 2

export function readBatch(body: Buffer): BatchedMessage[] {
  const messages: BatchedMessage[] = []
  for (let at = 0; at < body.length; ) {
    if (body.length - at < LEAST_BYTES) throw cutOff()
    const bytes = body.readInt32BE(at + BODY_AT - 4)
    const propertiesAt = at + BODY_AT + bytes
    if (bytes < 0 || propertiesAt + 2 > body.length) throw cutOff()
    const end = propertiesAt + 2 + body.readUInt16BE(propertiesAt)
    if (end > body.length) throw cutOff()
    messages.push({
      flag: body.readInt32BE(at + FLAG_AT),
      body: body.subarray(at + BODY_AT, propertiesAt),
      properties: body.toString('utf8', propertiesAt + 2, end),
    })
    at = end
  }
  return messages
}

export function writeBatch(messages: readonly { flag?: number; body: Uint8Array; properties: string }[]): Buffer {
  const parts: Buffer[] = []
  for (const { flag = 0, body, properties } of messages) {
    const text = Buffer.from(properties)
    const head = Buffer.alloc(BODY_AT)
    head.writeInt32BE(LEAST_BYTES + body.length + text.length)
    head.writeInt32BE(flag, FLAG_AT)
    head.writeInt32BE(body.length, BODY_AT - 4)
    const length = Buffer.allocUnsafe(2)
    length.writeUInt16BE(text.length)
    parts.push(head, Buffer.from(body), length, text)
  }
  return Buffer.concat(parts)
}

function cutOff(): FieldError {
  return new FieldError('java.nio.BufferUnderflowException', 'a batch that is cut off')
}

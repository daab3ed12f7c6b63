/** A message as a line of NDJSON, as `dump`, `query` and `tail` print it and `append` takes it. */
import { isUtf8 } from 'node:buffer'
import type { Message } from '../index.js'

const COMPRESSION_BITS = 0x701

/** `plain`: the body decompressed, and the flags as if it had never been otherwise. */
export async function lineOf(message: Message, plain: boolean): Promise<string> {
  const { TAGS: _, KEYS: __, ...properties } = message.properties
  const body = plain ? await message.plainBody() : message.body
  return JSON.stringify({
    topic: message.topic,
    queueId: message.queueId,
    queueOffset: message.queueOffset,
    logOffset: message.logOffset,
    size: message.size,
    messageId: message.messageId,
    ...(message.tags === undefined || message.tags === '' ? {} : { tags: message.tags }),
    ...(message.keys.length === 0 ? {} : { keys: message.keys }),
    properties,
    flag: message.flag,
    sysFlag: plain ? message.sysFlag & ~COMPRESSION_BITS : message.sysFlag,
    bornTimestamp: message.bornTimestamp,
    bornHost: message.bornHost,
    storeTimestamp: message.storeTimestamp,
    storeHost: message.storeHost,
    reconsumeTimes: message.reconsumeTimes,
    preparedTransactionOffset: message.preparedTransactionOffset,
    ...(isUtf8(body) ? { body: body.toString() } : { bodyBase64: body.toString('base64') }),
  })
}

/** Messages by key, by unique id, and by offset message id: which tools and traces ask for. */
import type { Command } from '../../protocol/command.js'
import { QUERY_MESSAGE, VIEW_MESSAGE_BY_ID } from '../../protocol/requests/broker.js'
import { ResponseCode } from '../../protocol/response-code.js'
import type { Answer } from '../../remoting/remoting-server.js'
import type { BrokerContext } from '../context.js'

/** A body of more would fit no frame. */
const MAX_BODY_BYTES = 8 << 20

export async function queryMessages({ settings, store }: BrokerContext, request: Command): Promise<Answer> {
  const { topic = '', key = '', maxNum, beginTimestamp, endTimestamp, _UNIQUE_KEY_QUERY } = QUERY_MESSAGE.fields.read(request.fields)
  const limit = Math.min(_UNIQUE_KEY_QUERY?.toLowerCase() === 'true' ? settings.defaultQueryMaxNum : maxNum, settings.maxMsgsNumBatch)
  const begin = Math.max(0, Math.min(beginTimestamp, Number.MAX_SAFE_INTEGER))
  const end = Math.max(0, Math.min(endTimestamp, Number.MAX_SAFE_INTEGER))
  const messages = limit < 1 || key === '' ? [] : await store.messagesByKey({ topic, key, limit, begin, end })
  const records: Buffer[] = []
  let bytes = 0
  for (const { raw } of messages) {
    if (bytes > 0 && bytes + raw.length > MAX_BODY_BYTES) break
    records.push(raw)
    bytes += raw.length
  }
  const last = messages[0]
  const fields = QUERY_MESSAGE.answer.write({
    indexLastUpdatePhyoffset: last?.logOffset ?? 0,
    indexLastUpdateTimestamp: last?.storeTimestamp ?? 0,
  })
  if (records.length === 0)
    return { code: ResponseCode.QUERY_NOT_FOUND, remark: 'can not find message, maybe time range not correct', fields }
  return { fields, body: Buffer.concat(records) }
}

export async function viewMessage({ store }: BrokerContext, request: Command): Promise<Answer> {
  const { offset } = VIEW_MESSAGE_BY_ID.fields.read(request.fields)
  const message = offset < 0 || !Number.isSafeInteger(offset) ? undefined : await store.messageAt(offset)
  if (message === undefined) return { code: ResponseCode.SYSTEM_ERROR, remark: `can not find message by the offset, ${offset}` }
  return { body: message.raw }
}

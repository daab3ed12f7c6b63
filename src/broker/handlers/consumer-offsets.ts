/** Where groups are: asked, told, and the whole table as a slave copies it. */
import type { Command } from '../../protocol/command.js'
import { QUERY_CONSUMER_OFFSET, UPDATE_CONSUMER_OFFSET } from '../../protocol/requests/broker.js'
import { ResponseCode } from '../../protocol/response-code.js'
import type { Answer } from '../../remoting/remoting-server.js'
import type { BrokerContext } from '../context.js'
import { refusal } from '../refusals.js'

export function queryConsumerOffset(context: BrokerContext, request: Command): Answer | Promise<Answer> {
  const fields = QUERY_CONSUMER_OFFSET.fields.read(request.fields)
  const { consumerGroup = '', topic = '', queueId, setZeroIfNotFound = true } = fields
  const offset = context.offsets.get(consumerGroup, topic, queueId)
  if (offset !== undefined && offset >= 0) return { fields: QUERY_CONSUMER_OFFSET.answer.write({ offset }) }
  return (setZeroIfNotFound ? isYoung(context, topic, queueId) : Promise.resolve(false)).then((young) =>
    young
      ? { fields: QUERY_CONSUMER_OFFSET.answer.write({ offset: 0 }) }
      : refusal(ResponseCode.QUERY_NOT_FOUND, 'Not found, V3_0_6_SNAPSHOT maybe this group consumer boot first'),
  )
}

/** Whether all that was ever in a queue is there, and near the log's end: then a group that is new in it begins with the first message, whatever it says. */
async function isYoung({ store }: BrokerContext, topic: string, queueId: number): Promise<boolean> {
  const { minOffset, maxOffset } = store.bounds(topic, queueId)
  if (minOffset > 0) return false
  if (maxOffset === 0) return true
  const { suggestPullingFromSlave } = await store.pullRanges({ topic, queueId, offset: 0, maxMessages: 1 })
  return !suggestPullingFromSlave
}

export function updateConsumerOffset({ offsets }: BrokerContext, request: Command): Answer {
  const { consumerGroup = '', topic = '', queueId, commitOffset } = UPDATE_CONSUMER_OFFSET.fields.read(request.fields)
  offsets.commit(consumerGroup, topic, queueId, commitOffset)
  return { fields: {} }
}

export function allConsumerOffsets({ offsets }: BrokerContext): Answer {
  return { body: offsets.write() }
}

export function allDelayOffsets({ delays }: BrokerContext): Answer {
  return { body: delays.write() }
}

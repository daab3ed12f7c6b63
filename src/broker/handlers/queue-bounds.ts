/** Where a queue begins and ends, and which offset stands for a time. */
import type { Command } from '../../protocol/command.js'
import { GET_EARLIEST_MSG_STORETIME, GET_MAX_OFFSET, GET_MIN_OFFSET, SEARCH_OFFSET_BY_TIMESTAMP } from '../../protocol/requests/broker.js'
import type { Answer } from '../../remoting/remoting-server.js'
import type { TimeRule } from '../../store/types.js'
import type { BrokerContext } from '../context.js'

export function maxOffset({ store }: BrokerContext, request: Command): Answer {
  const { topic = '', queueId } = GET_MAX_OFFSET.fields.read(request.fields)
  return { fields: GET_MAX_OFFSET.answer.write({ offset: bounds(store, topic, queueId).maxOffset }) }
}

export function minOffset({ store }: BrokerContext, request: Command): Answer {
  const { topic = '', queueId } = GET_MIN_OFFSET.fields.read(request.fields)
  return { fields: GET_MIN_OFFSET.answer.write({ offset: bounds(store, topic, queueId).minOffset }) }
}

/** Clients of 5.x name a rule of theirs; those of 4.9 get the nearest, and the last message where all are older. */
export async function offsetByTime({ store }: BrokerContext, request: Command): Promise<Answer> {
  const { topic = '', queueId, timestamp, boundaryType } = SEARCH_OFFSET_BY_TIMESTAMP.fields.read(request.fields)
  const rules: Readonly<Record<string, TimeRule>> = { LOWER: 'lower', UPPER: 'upper' }
  const rule = rules[boundaryType?.toUpperCase() ?? ''] ?? 'nearest'
  const offset = queueId < 0 ? 0 : await store.offsetByTime({ topic, queueId, time: Math.min(timestamp, Number.MAX_SAFE_INTEGER), rule })
  return { fields: SEARCH_OFFSET_BY_TIMESTAMP.answer.write({ offset }) }
}

export async function earliestStoreTime({ store }: BrokerContext, request: Command): Promise<Answer> {
  const { topic = '', queueId } = GET_EARLIEST_MSG_STORETIME.fields.read(request.fields)
  const span = queueId < 0 ? undefined : await store.timeSpan({ topic, queueId })
  return { fields: GET_EARLIEST_MSG_STORETIME.answer.write({ timestamp: span?.earliest ?? -1 }) }
}

function bounds(store: BrokerContext['store'], topic: string, queueId: number): { minOffset: number; maxOffset: number } {
  return queueId < 0 ? { minOffset: 0, maxOffset: 0 } : store.bounds(topic, queueId)
}

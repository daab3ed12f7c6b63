/** CONSUMER_SEND_MSG_BACK: a consumer could not do anything with a message. It comes again after a while, or goes to the group's dead letters. */
import { PERM_WRITE } from '../../protocol/bodies/topic-config.js'
import type { Command } from '../../protocol/command.js'
import { CONSUMER_SEND_MSG_BACK } from '../../protocol/requests/broker.js'
import { ResponseCode } from '../../protocol/response-code.js'
import { V3_4_9 } from '../../protocol/version.js'
import type { Answer } from '../../remoting/remoting-server.js'
import type { BrokerContext } from '../context.js'
import { copyOf } from '../copy-of.js'
import { brokerForbids, groupUnknown, putRefusal, refusal } from '../refusals.js'

/** The first redelivery is of this level, each further one of the next. */
const FIRST_LEVEL = 3

export async function sendBack(context: BrokerContext, request: Command): Promise<Answer> {
  const { settings, groups, topics, store, inbox } = context
  const { offset, group: name = '', delayLevel, maxReconsumeTimes, unitMode = false } = CONSUMER_SEND_MSG_BACK.fields.read(request.fields)
  const group = groups.find(name)
  if (group === undefined) return groupUnknown(name)
  if ((settings.brokerPermission & PERM_WRITE) === 0) return brokerForbids(context, 'sending message')
  if (group.retryQueueNums <= 0) return {}
  const retry = await topics.retry(name, group.retryQueueNums, unitMode)
  if ((retry.perm & PERM_WRITE) === 0)
    return refusal(ResponseCode.NO_PERMISSION, `the topic[${retry.topicName}] sending message is forbidden`)
  const message = offset < 0 || !Number.isSafeInteger(offset) ? undefined : await store.messageAt(offset)
  if (message === undefined) return { code: ResponseCode.SYSTEM_ERROR, remark: `look message by offset failed, ${offset}` }
  const most = request.version >= V3_4_9 && maxReconsumeTimes !== undefined ? maxReconsumeTimes : group.retryMaxTimes
  const dead = message.reconsumeTimes >= most || delayLevel < 0
  const { topicName } = dead ? await topics.deadLetters(name) : retry
  const level = dead ? 0 : delayLevel === 0 ? FIRST_LEVEL + message.reconsumeTimes : delayLevel
  const queueId = dead ? 0 : Math.floor(Math.random() * group.retryQueueNums)
  try {
    const { status } = await inbox.put(
      copyOf(message, {
        ...{ topic: topicName, queueId, reconsumeTimes: message.reconsumeTimes + 1 },
        properties: {
          RETRY_TOPIC: message.properties.RETRY_TOPIC ?? message.topic,
          ORIGIN_MESSAGE_ID: message.properties.ORIGIN_MESSAGE_ID ?? message.messageId,
          DELAY: String(level),
          WAIT: 'false',
        },
      }),
    )
    return status === 'PUT_OK' ? {} : { code: ResponseCode.SYSTEM_ERROR, remark: status }
  } catch (error) {
    return putRefusal(context, error)
  }
}

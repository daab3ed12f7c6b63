/** SEND_MESSAGE in its three forms. What is checked, in which order, and what is said, is RocketMQ's SendMessageProcessor. */
import { readProperties } from '../../format/properties.js'
import { readBatch } from '../../protocol/bodies/batch.js'
import { PERM_WRITE, permText, type TopicConfig } from '../../protocol/bodies/topic-config.js'
import type { Command } from '../../protocol/command.js'
import { SEND_MESSAGE, SEND_MESSAGE_V2 } from '../../protocol/requests/broker.js'
import { ResponseCode } from '../../protocol/response-code.js'
import { V3_4_9 } from '../../protocol/version.js'
import type { Connection } from '../../remoting/connection.js'
import type { Answer } from '../../remoting/remoting-server.js'
import type { AppendResult, AppendStatus, MessageInput } from '../../store/types.js'
import type { BrokerContext } from '../context.js'
import { brokerForbids, groupUnknown, messageIllegal, putRefusal, refusal, tooLate, topicUnknown, waitedTooLong } from '../refusals.js'
import { DLQ_PREFIX, illegalName, RETRY_PREFIX, refusesSends } from '../topic-names.js'

const MAX_TOPIC_BYTES = 127
/** What is said of a message that was stored. */
export const SENT: Readonly<Record<AppendStatus, number>> = {
  PUT_OK: ResponseCode.SUCCESS,
  FLUSH_DISK_TIMEOUT: ResponseCode.FLUSH_DISK_TIMEOUT,
  FLUSH_SLAVE_TIMEOUT: ResponseCode.FLUSH_SLAVE_TIMEOUT,
  SLAVE_NOT_AVAILABLE: ResponseCode.SLAVE_NOT_AVAILABLE,
}

/** A send, in whichever form it came. */
interface Send {
  readonly topic: string
  readonly defaultTopic: string
  readonly defaultTopicQueueNums: number
  readonly queueId: number
  readonly sysFlag: number
  readonly bornTimestamp: number
  readonly flag: number
  readonly properties: string
  readonly reconsumeTimes: number
  readonly maxReconsumeTimes?: number | undefined
  readonly unit: boolean
  readonly batch: boolean
}

export function sendMessage(context: BrokerContext, request: Command, connection: Connection): Answer | Promise<Answer> {
  return send(context, request, connection, request.fields?.topic, () => {
    const given = SEND_MESSAGE.fields.read(request.fields)
    const { topic = '', defaultTopic = '', properties = '', reconsumeTimes = 0, unitMode: unit = false, batch = false } = given
    return { ...given, topic, defaultTopic, properties, reconsumeTimes, unit, batch }
  })
}

export function sendMessageV2(context: BrokerContext, request: Command, connection: Connection): Answer | Promise<Answer> {
  return send(context, request, connection, request.fields?.b, () => {
    const {
      b: topic = '',
      c: defaultTopic = '',
      d: defaultTopicQueueNums,
      e: queueId,
      f: sysFlag,
      g: bornTimestamp,
      ...more
    } = SEND_MESSAGE_V2.fields.read(request.fields)
    const { h: flag, i: properties = '', j: reconsumeTimes = 0, k: unit = false, l: maxReconsumeTimes, m: batch = false } = more
    const numbers = { defaultTopicQueueNums, queueId, sysFlag, bornTimestamp, flag, reconsumeTimes, maxReconsumeTimes }
    return { topic, defaultTopic, properties, unit, batch, ...numbers }
  })
}

/** `read` is asked when the topic's name is good: RocketMQ too looks at the other fields later. */
function send(
  context: BrokerContext,
  request: Command,
  connection: Connection,
  topicName: string | undefined,
  read: () => Send,
): Answer | Promise<Answer> {
  const { settings, topics } = context
  const withRegion = (answer: Answer): Answer => ({
    ...answer,
    fields: { TRACE_ON: String(settings.traceOn), MSG_REGION: settings.regionId },
  })
  if (waitedTooLong(context, connection)) return tooLate(connection)
  const refused = refusedAtOnce(context, topicName ?? '')
  if (refused !== undefined) return withRegion(refused)
  const given = read()
  const topic = topics.get(given.topic)
  if (topic !== undefined && !given.topic.startsWith(RETRY_PREFIX)) return put(context, given, topic, request, connection, withRegion)
  return target(context, given, request, connection).then(
    (found) => ('topic' in found ? put(context, found.send, found.topic, request, connection, withRegion) : withRegion(found)),
    (error) => withRegion(putRefusal(context, error)),
  )
}

function refusedAtOnce(context: BrokerContext, topic: string): Answer | undefined {
  const { settings, now } = context
  if (now() < settings.startAcceptSendRequestTimeStamp)
    return refusal(ResponseCode.SYSTEM_ERROR, `broker unable to service, until ${localTime(settings.startAcceptSendRequestTimeStamp)}`)
  if ((settings.brokerPermission & PERM_WRITE) === 0 && context.topics.get(topic)?.order === true)
    return brokerForbids(context, 'sending message')
  const illegal = illegalName(topic)
  if (illegal !== undefined) return refusal(ResponseCode.SYSTEM_ERROR, illegal)
  if (refusesSends(topic)) return refusal(ResponseCode.NO_PERMISSION, `Sending message to topic[${topic}] is forbidden.`)
  return undefined
}

/** Where it goes, when that is not plain: topics that are made, retries that have had their last try. */
async function target(
  context: BrokerContext,
  given: Send,
  request: Command,
  connection: Connection,
): Promise<{ send: Send; topic: TopicConfig } | Answer> {
  const { topics, groups } = context
  const isRetry = given.topic.startsWith(RETRY_PREFIX)
  const { defaultTopic, defaultTopicQueueNums: queues, unit } = given
  const topic =
    topics.get(given.topic) ??
    (await topics.create({ topic: given.topic, defaultTopic, queues, unit })) ??
    (isRetry ? await topics.retry(given.topic.slice(RETRY_PREFIX.length), 1, unit) : undefined)
  if (topic === undefined) return topicUnknown(given.topic)
  if (!isRetry) return { send: given, topic }
  const illegal = illegalQueue(given, topic, connection.remote)
  if (illegal !== undefined) return illegal
  const name = given.topic.slice(RETRY_PREFIX.length)
  const group = groups.find(name)
  if (group === undefined) return groupUnknown(name)
  const most = request.version >= V3_4_9 && given.maxReconsumeTimes !== undefined ? given.maxReconsumeTimes : group.retryMaxTimes
  if (given.reconsumeTimes < most) return { send: given, topic }
  return { send: { ...given, topic: DLQ_PREFIX + name, queueId: 0 }, topic: await topics.deadLetters(name) }
}

function put(
  context: BrokerContext,
  given: Send,
  topic: TopicConfig,
  request: Command,
  connection: Connection,
  withRegion: (answer: Answer) => Answer,
): Answer | Promise<Answer> {
  const { settings, inbox } = context
  const illegal = illegalQueue(given, topic, connection.remote)
  if (illegal !== undefined) return withRegion(illegal)
  const queueId = given.queueId < 0 ? Math.floor(Math.random() * topic.writeQueueNums) : given.queueId
  if (request.body.length > settings.maxMessageSize) return withRegion(messageIllegal(settings.maxMessageSize))
  if (given.batch && given.topic.length > MAX_TOPIC_BYTES)
    return withRegion(refusal(ResponseCode.MESSAGE_ILLEGAL, `message topic length too long ${given.topic.length}`))
  const { bornTimestamp, reconsumeTimes, sysFlag } = given
  const common = { topic: given.topic, queueId, bornTimestamp, bornHost: connection.remote, reconsumeTimes, sysFlag }
  const refuse = (error: unknown): Answer => withRegion(putRefusal(context, error))
  const answer = (results: readonly AppendResult[]): Answer => {
    const { status, queueOffset } = results[0] as AppendResult
    const fields = {
      queueId: String(queueId),
      TRACE_ON: String(settings.traceOn),
      MSG_REGION: settings.regionId,
      msgId: results.length === 1 ? (results[0] as AppendResult).messageId : results.map(({ messageId }) => messageId).join(),
      queueOffset: String(queueOffset),
    }
    return { code: SENT[status], fields }
  }
  const cluster = settings.brokerClusterName
  const properties = readProperties(given.properties)
  const wait = properties.WAIT !== 'false'
  if (given.batch) {
    const batch = readBatch(request.body).map(({ flag, body, properties: own }) => ({
      ...common,
      ...{ flag, body },
      ...input(readProperties(own), cluster),
    }))
    if (batch.length === 0) return withRegion(messageIllegal(settings.maxMessageSize))
    return inbox.putBatch(batch, { wait }).then(answer, refuse)
  }
  if (properties.TRAN_MSG?.toLowerCase() === 'true') return withRegion(brokerForbids(context, 'sending transaction message'))
  delete properties.WAIT
  const message: MessageInput = { ...common, flag: given.flag, body: request.body, ...input(properties, cluster) }
  return inbox.put(message, { wait }).then((result) => answer([result]), refuse)
}

function illegalQueue({ queueId }: Send, topic: TopicConfig, remote: string): Answer | undefined {
  const { topicName, readQueueNums, writeQueueNums, perm, topicFilterType, topicSysFlag, order } = topic
  if (queueId < Math.max(readQueueNums, writeQueueNums)) return undefined
  const config = `topicName=${topicName}, readQueueNums=${readQueueNums}, writeQueueNums=${writeQueueNums}, perm=${permText(perm)}, topicFilterType=${topicFilterType}, topicSysFlag=${topicSysFlag}, order=${order}`
  return refusal(ResponseCode.SYSTEM_ERROR, `request queueId[${queueId}] is illegal, TopicConfig [${config}] Producer: ${remote}`)
}

/** As the store takes properties; the cluster is added as RocketMQ does. */
function input(properties: Record<string, string>, cluster: string): Pick<MessageInput, 'tags' | 'keys' | 'properties'> {
  const { TAGS, KEYS, ...rest } = properties
  rest.CLUSTER = cluster
  return { properties: rest, ...(TAGS !== undefined && { tags: TAGS }), ...(KEYS !== undefined && { keys: KEYS }) }
}

/** `2026-11-29 08:05:00,000` of this machine's clock. */
function localTime(ms: number): string {
  const time = new Date(ms)
  const two = (value: number) => String(value).padStart(2, '0')
  const date = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`
  return `${date} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())},${String(time.getMilliseconds()).padStart(3, '0')}`
}

/** Topics made, changed, deleted and listed by request. */

import { writeTopicList } from '../../protocol/bodies/lists.js'
import type { TopicConfig } from '../../protocol/bodies/topic-config.js'
import type { Command } from '../../protocol/command.js'
import { FieldError } from '../../protocol/fields.js'
import { DELETE_TOPIC_IN_BROKER, UPDATE_AND_CREATE_TOPIC } from '../../protocol/requests/broker.js'
import { ResponseCode } from '../../protocol/response-code.js'
import type { Answer } from '../../remoting/remoting-server.js'
import type { BrokerContext } from '../context.js'
import { illegalName } from '../topic-names.js'

export async function updateTopic(context: BrokerContext, request: Command): Promise<Answer> {
  const { topics, registration } = context
  const topicFilterType = request.fields?.topicFilterType
  if (topicFilterType !== 'SINGLE_TAG' && topicFilterType !== 'MULTI_TAG')
    throw new FieldError(
      'org.apache.rocketmq.remoting.exception.RemotingCommandException',
      `topicFilterType = [${topicFilterType ?? null}] value invalid`,
    )
  const {
    topic: topicName = '',
    readQueueNums,
    writeQueueNums,
    perm,
    topicSysFlag = 0,
  } = UPDATE_AND_CREATE_TOPIC.fields.read(request.fields)
  const refused = refusedName(context, topicName)
  if (refused !== undefined) return refused
  const order = topics.get(topicName)?.order ?? false
  const config: TopicConfig = { topicName, readQueueNums, writeQueueNums, perm, topicFilterType, topicSysFlag, order }
  await topics.set(config)
  // Whoever asked looks for it there next.
  await registration.registered()
  return {}
}

export async function deleteTopic(context: BrokerContext, request: Command): Promise<Answer> {
  const { topic = '' } = DELETE_TOPIC_IN_BROKER.fields.read(request.fields)
  const refused = refusedName(context, topic)
  if (refused !== undefined) return refused
  // While it is there, whoever asked and got no answer can ask again.
  await context.store.deleteTopic(topic)
  await context.topics.delete(topic)
  return {}
}

export function allTopics({ topics }: BrokerContext): Answer {
  return { fields: {}, body: topics.write() }
}

export function systemTopics({ topics }: BrokerContext): Answer {
  return { body: writeTopicList({ topicList: [...topics.system] }) }
}

function refusedName({ topics }: BrokerContext, topic: string): Answer | undefined {
  const illegal = illegalName(topic)
  if (illegal !== undefined) return { code: ResponseCode.SYSTEM_ERROR, remark: illegal }
  return topics.isSystem(topic)
    ? { code: ResponseCode.SYSTEM_ERROR, remark: `The topic[${topic}] is conflict with system topic.` }
    : undefined
}

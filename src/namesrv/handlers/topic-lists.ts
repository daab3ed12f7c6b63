/** Names of topics, all of them or some. */
import { writeTopicList } from '../../protocol/bodies/lists.js'
import type { Command } from '../../protocol/command.js'
import { DELETE_TOPIC_IN_NAMESRV, GET_TOPICS_BY_CLUSTER } from '../../protocol/requests/namesrv.js'
import type { Answer } from '../../remoting/remoting-server.js'
import type { NamesrvContext } from '../context.js'

export function allTopics({ routes }: NamesrvContext): Answer {
  return { body: writeTopicList({ topicList: routes.topics() }) }
}

export function topicsByCluster({ routes }: NamesrvContext, request: Command): Answer {
  const { cluster = '' } = GET_TOPICS_BY_CLUSTER.fields.read(request.fields)
  return { body: writeTopicList({ topicList: routes.topicsOfCluster(cluster) }) }
}

export function systemTopics({ routes }: NamesrvContext): Answer {
  return { body: writeTopicList(routes.systemTopics()) }
}

export function unitTopics(which: 'unit' | 'unitSub' | 'unitSubNotUnit') {
  return ({ routes }: NamesrvContext): Answer => ({ body: writeTopicList({ topicList: routes.unitTopics(which) }) })
}

export function deleteTopic({ routes }: NamesrvContext, request: Command): Answer {
  const { topic = '', clusterName } = DELETE_TOPIC_IN_NAMESRV.fields.read(request.fields)
  routes.deleteTopic(topic, clusterName)
  return {}
}

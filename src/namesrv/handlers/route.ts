/** Where a topic's queues are. */
import { writeTopicRoute } from '../../protocol/bodies/topic-route.js'
import type { Command } from '../../protocol/command.js'
import { GET_ROUTEINFO_BY_TOPIC } from '../../protocol/requests/namesrv.js'
import { FAQ, ResponseCode } from '../../protocol/response-code.js'
import { V4_9_4 } from '../../protocol/version.js'
import type { Answer } from '../../remoting/remoting-server.js'
import type { NamesrvContext } from '../context.js'
import { ORDER_TOPIC_CONFIG } from '../kv-config.js'

export function route({ routes, kv, settings }: NamesrvContext, request: Command): Answer {
  const { topic = 'null', acceptStandardJsonOnly = false } = GET_ROUTEINFO_BY_TOPIC.fields.read(request.fields)
  const found = routes.route(topic)
  if (found === undefined)
    return { code: ResponseCode.TOPIC_NOT_EXIST, remark: `No topic route info in name server for the topic: ${topic}${FAQ}` }
  const orderTopicConf = settings.orderMessageEnable ? kv.get(ORDER_TOPIC_CONFIG, topic) : undefined
  return { body: writeTopicRoute({ ...found, orderTopicConf }, { standard: acceptStandardJsonOnly || request.version >= V4_9_4 }) }
}

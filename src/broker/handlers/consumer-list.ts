/** Who is in a group. */
import { writeConsumerIds } from '../../protocol/bodies/clients.js'
import type { Command } from '../../protocol/command.js'
import { GET_CONSUMER_LIST_BY_GROUP } from '../../protocol/requests/broker.js'
import { ResponseCode } from '../../protocol/response-code.js'
import type { Answer } from '../../remoting/remoting-server.js'
import type { BrokerContext } from '../context.js'
import { refusal } from '../refusals.js'

export function consumerList({ consumers }: BrokerContext, request: Command): Answer {
  const { consumerGroup = '' } = GET_CONSUMER_LIST_BY_GROUP.fields.read(request.fields)
  const group = consumers.group(consumerGroup)
  if (group === undefined) return refusal(ResponseCode.SYSTEM_ERROR, `no consumer for this group, ${consumerGroup}`)
  return { fields: {}, body: writeConsumerIds([...group.members.values()].map(({ clientId }) => clientId)) }
}

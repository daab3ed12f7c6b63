/** Consumer groups made, changed, deleted and listed by request. */

import { subscriptionGroupOf } from '../../protocol/bodies/subscription-group.js'
import { neededBody } from '../../protocol/bodies/values.js'
import type { Command } from '../../protocol/command.js'
import { DELETE_SUBSCRIPTIONGROUP } from '../../protocol/requests/broker.js'
import type { Answer } from '../../remoting/remoting-server.js'
import type { BrokerContext } from '../context.js'

export async function updateGroup({ groups }: BrokerContext, request: Command): Promise<Answer> {
  const value = neededBody(request.body)
  if (value !== null) await groups.set(subscriptionGroupOf(value))
  return {}
}

export async function deleteGroup({ groups, offsets }: BrokerContext, request: Command): Promise<Answer> {
  const { groupName = '', removeOffset = false, cleanOffset = false } = DELETE_SUBSCRIPTIONGROUP.fields.read(request.fields)
  await groups.delete(groupName)
  if (removeOffset || cleanOffset) offsets.forgetGroup(groupName)
  return {}
}

export function allGroups({ groups }: BrokerContext): Answer {
  return { body: groups.write() }
}

/** A client says that it is there, or that it goes. */
import { readClientConfig, readHeartbeat } from '../../protocol/bodies/heartbeat.js'
import type { Command } from '../../protocol/command.js'
import { UNREGISTER_CLIENT } from '../../protocol/requests/broker.js'
import type { Connection } from '../../remoting/connection.js'
import type { Answer } from '../../remoting/remoting-server.js'
import type { BrokerContext } from '../context.js'
import { noSql } from './pull-message.js'

export async function heartbeat(context: BrokerContext, request: Command, connection: Connection): Promise<Answer> {
  const { groups, topics, consumers, producers, now } = context
  const { clientID: clientId, producerGroups, consumers: given } = readHeartbeat(request.body)
  const client = { clientId, language: request.language, version: request.version, heardMs: now() }
  // Tools find a group by its retry topic. All that a heartbeat makes are one write.
  await Promise.all(
    given.map(async ({ groupName, unitMode }) => {
      const group = groups.find(groupName)
      if (group !== undefined) await topics.retry(groupName, group.retryQueueNums, unitMode)
    }),
  )
  if (connection.closed) return {}
  for (const data of given) consumers.heartbeat(connection, client, data)
  for (const group of producerGroups) producers.heartbeat(connection, client, group)
  return {}
}

export function unregisterClient({ consumers, producers }: BrokerContext, request: Command, connection: Connection): Answer {
  const { producerGroup, consumerGroup } = UNREGISTER_CLIENT.fields.read(request.fields)
  if (producerGroup !== undefined) producers.leave(connection, producerGroup)
  if (consumerGroup !== undefined) consumers.leave(connection, consumerGroup)
  return { fields: {} }
}

/** Whether a consumer's expression can be served. */
export function checkClientConfig(_context: BrokerContext, request: Command): Answer {
  const { subscription } = readClientConfig(request.body)
  return subscription === undefined || subscription.expressionType === 'TAG' ? {} : noSql()
}

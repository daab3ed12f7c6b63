/** No more writes to a broker's topics, and writes again. */
import type { Command } from '../../protocol/command.js'
import { ADD_WRITE_PERM_OF_BROKER, WIPE_WRITE_PERM_OF_BROKER } from '../../protocol/requests/namesrv.js'
import type { Answer } from '../../remoting/remoting-server.js'
import type { NamesrvContext } from '../context.js'

export function wipeWritePermission({ routes }: NamesrvContext, request: Command): Answer {
  const { brokerName = '' } = WIPE_WRITE_PERM_OF_BROKER.fields.read(request.fields)
  return { fields: WIPE_WRITE_PERM_OF_BROKER.answer.write({ wipeTopicCount: routes.wipeWritePermission(brokerName) }) }
}

export function addWritePermission({ routes }: NamesrvContext, request: Command): Answer {
  const { brokerName = '' } = ADD_WRITE_PERM_OF_BROKER.fields.read(request.fields)
  return { fields: ADD_WRITE_PERM_OF_BROKER.answer.write({ addTopicCount: routes.addWritePermission(brokerName) }) }
}

/** A broker that shuts down. */
import type { Command } from '../../protocol/command.js'
import { UNREGISTER_BROKER } from '../../protocol/requests/namesrv.js'
import type { Answer } from '../../remoting/remoting-server.js'
import type { NamesrvContext } from '../context.js'

export function unregisterBroker({ routes }: NamesrvContext, request: Command): Answer {
  const { clusterName = '', brokerName = '', brokerAddr = '', brokerId } = UNREGISTER_BROKER.fields.read(request.fields)
  routes.unregister({ clusterName, brokerName, brokerAddr, brokerId })
  return {}
}

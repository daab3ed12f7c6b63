/** All brokers, by name and by cluster. */
import { writeClusterInfo } from '../../protocol/bodies/topic-route.js'
import type { Answer } from '../../remoting/remoting-server.js'
import type { NamesrvContext } from '../context.js'

export function clusterInfo({ routes }: NamesrvContext): Answer {
  return { body: writeClusterInfo(routes.clusterInfo()) }
}

/** The settings, as tools read them. */
import { writeFastjson } from '../../protocol/fastjson.js'
import { GET_BROKER_CONFIG } from '../../protocol/requests/broker.js'
import type { Answer } from '../../remoting/remoting-server.js'
import type { BrokerContext } from '../context.js'
import { brokerSettings } from '../settings.js'

export function brokerConfig({ settings, topics }: BrokerContext): Answer {
  const fields = GET_BROKER_CONFIG.answer.write({ version: writeFastjson(topics.version) })
  return { fields, body: Buffer.from(brokerSettings.text(settings)) }
}

/** A broker says that it is there, and which topics it has. The answer has the ordered topics. */

import { bodyCrc } from '../../format/crc.js'
import { writeKvTable } from '../../protocol/bodies/lists.js'
import { readRegistration } from '../../protocol/bodies/registration.js'
import type { Command } from '../../protocol/command.js'
import { REGISTER_BROKER } from '../../protocol/requests/namesrv.js'
import { ResponseCode } from '../../protocol/response-code.js'
import type { Connection } from '../../remoting/connection.js'
import type { Answer } from '../../remoting/remoting-server.js'
import type { NamesrvContext } from '../context.js'
import { ORDER_TOPIC_CONFIG } from '../kv-config.js'

export function registerBroker({ routes, kv, now }: NamesrvContext, request: Command, link: Connection): Answer {
  const {
    clusterName = '',
    brokerName = '',
    brokerAddr = '',
    brokerId,
    haServerAddr = '',
    compressed = false,
    bodyCrc32 = 0,
  } = REGISTER_BROKER.fields.read(request.fields)
  if (bodyCrc32 !== 0 && bodyCrc(request.body) !== bodyCrc32)
    return { code: ResponseCode.SYSTEM_ERROR, remark: 'crc32 not match', fields: {} }
  const registration = readRegistration(request.body, { compressed, version: request.version })
  const master = routes.register({ clusterName, brokerName, brokerAddr, brokerId }, registration, { link, haServerAddr, nowMs: now() })
  const ordered = kv.namespace(ORDER_TOPIC_CONFIG)
  return { fields: REGISTER_BROKER.answer.write(master), ...(ordered && { body: writeKvTable(ordered) }) }
}

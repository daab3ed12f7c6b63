/** A broker asks whether it must register again. That it asks is a sign of life. */
import { dataVersionOf } from '../../protocol/bodies/data-version.js'
import { bodyValue } from '../../protocol/bodies/values.js'
import type { Command } from '../../protocol/command.js'
import { writeFastjson } from '../../protocol/fastjson.js'
import { QUERY_DATA_VERSION } from '../../protocol/requests/namesrv.js'
import type { Answer } from '../../remoting/remoting-server.js'
import type { NamesrvContext } from '../context.js'

export function queryDataVersion({ routes, now }: NamesrvContext, request: Command): Answer {
  const { brokerAddr = '' } = QUERY_DATA_VERSION.fields.read(request.fields)
  const changed = routes.changed(brokerAddr, dataVersionOf(bodyValue(request.body)), now())
  const known = routes.dataVersion(brokerAddr)
  return { fields: QUERY_DATA_VERSION.answer.write({ changed }), ...(known && { body: Buffer.from(writeFastjson(known)) }) }
}

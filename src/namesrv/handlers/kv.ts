/** Texts by namespace and key. */
import { writeKvTable } from '../../protocol/bodies/lists.js'
import type { Command } from '../../protocol/command.js'
import { DELETE_KV_CONFIG, GET_KV_CONFIG, GET_KVLIST_BY_NAMESPACE, PUT_KV_CONFIG } from '../../protocol/requests/namesrv.js'
import { ResponseCode } from '../../protocol/response-code.js'
import type { Answer } from '../../remoting/remoting-server.js'
import type { NamesrvContext } from '../context.js'

const NULL: Answer = { code: ResponseCode.SYSTEM_ERROR, remark: 'namespace or key is null' }

export async function putKv({ kv }: NamesrvContext, request: Command): Promise<Answer> {
  const { namespace, key, value = '' } = PUT_KV_CONFIG.fields.read(request.fields)
  if (namespace === undefined || key === undefined) return NULL
  await kv.put(namespace, key, value)
  return {}
}

export function getKv({ kv }: NamesrvContext, request: Command): Answer {
  const { namespace, key } = GET_KV_CONFIG.fields.read(request.fields)
  if (namespace === undefined || key === undefined) return NULL
  const value = kv.get(namespace, key)
  if (value !== undefined) return { fields: GET_KV_CONFIG.answer.write({ value }) }
  return { code: ResponseCode.QUERY_NOT_FOUND, remark: `No config item, Namespace: ${namespace} Key: ${key}`, fields: {} }
}

export async function deleteKv({ kv }: NamesrvContext, request: Command): Promise<Answer> {
  const { namespace, key } = DELETE_KV_CONFIG.fields.read(request.fields)
  if (namespace === undefined || key === undefined) return NULL
  await kv.delete(namespace, key)
  return {}
}

export function kvList({ kv }: NamesrvContext, request: Command): Answer {
  const { namespace = 'null' } = GET_KVLIST_BY_NAMESPACE.fields.read(request.fields)
  const table = kv.namespace(namespace)
  if (table !== undefined) return { body: writeKvTable(table) }
  return { code: ResponseCode.QUERY_NOT_FOUND, remark: `No config item, Namespace: ${namespace}` }
}

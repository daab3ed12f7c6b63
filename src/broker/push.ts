/** What a broker sends to a client that has not asked, and does not wait for an answer. */
import type { Command } from '../protocol/command.js'
import { JSON_HEADER } from '../protocol/frame.js'
import { OWN_VERSION } from '../protocol/version.js'

const ONEWAY = 2
const MAX_OPAQUE = 0x7fffffff
const EMPTY = Buffer.alloc(0)
let opaque = 0

export function pushOf({ code, fields, body = EMPTY }: Pick<Command, 'code' | 'fields'> & { body?: Buffer }): Command {
  opaque = (opaque + 1) & MAX_OPAQUE
  return { code, fields, body, opaque, flag: ONEWAY, language: 'JAVA', version: OWN_VERSION, remark: undefined, type: JSON_HEADER }
}

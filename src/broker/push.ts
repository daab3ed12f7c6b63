/** What a broker sends to a client that has not asked, and does not wait for an answer. */
import { type Command, nextOpaque, type Question, requestOf } from '../protocol/command.js'
import { OWN } from '../protocol/version.js'

let opaque = 0

export function pushOf(question: Question): Command {
  opaque = nextOpaque(opaque)
  return requestOf(question, OWN, { opaque, oneway: true })
}

/** The requests that RocketMQ's own clients and tools sent to its broker, sent to this one: code, remark and fields of the answers are those that it gave. */
import t from 'tap'
import { type Command, isResponse, readCommand } from '#src/protocol/command.js'
import { FrameReader } from '#src/protocol/frame.js'
import { RemotingPeer } from '../support/remoting.js'
import { conversation, conversationNames, type WireFrame } from '../support/wire.js'
import { send, started } from './started.js'

type Frame = WireFrame & { readonly conn: number }

/** Of the recording's broker: those that it had, each with messages of its own. */
const TOPICS = ['TopicTest', 'TopicAdmin', 'TopicLater', 'TopicFresh', 'TopicReadOnly']
/** Requests that are not there yet: docs/wire.md. */
const MISSING = [28, 208, 222, 223, 303, 306, 307, 308, 309, 314, 315, 316, 317, 321, 323, 324, 325, 329, 25, 37, 50, 51, 52, 53, 54]
/** What says where something lies, or when it was. */
const MOMENTARY = [
  ...['msgId', 'queueOffset', 'queueId', 'offset', 'nextBeginOffset', 'maxOffset', 'minOffset', 'timestamp', 'version'],
  ...['indexLastUpdatePhyoffset', 'indexLastUpdateTimestamp', 'transactionId'],
]
/** Answers of a pull that depend on what was stored, or on which of two requests in flight Java looked at first. */
const FOUND_OR_NOT = [0, 19, 20, 21, 25]
/** A pull that has no answer by then waits for messages. */
const PATIENCE_MS = 250

function commandOf({ hex }: Frame): Command {
  const reader = new FrameReader()
  reader.push(Buffer.from(hex, 'hex'))
  return readCommand(reader.next()!)
}

/** Without numbers, and of Java's exceptions the class alone. */
function plain(remark: string | null | undefined): string {
  return (remark ?? '')
    .replace(/^((?:java|com\.alibaba)[\w.]*Exception).*/s, '$1')
    .replace(/(RemotingCommandException: .*?), org\.apache.*/s, '$1')
    .replace(/^not set any response code$/, '')
    .replace(/\d+/g, 'N')
}

function told(code: number | null, remark: string | null | undefined, fields: Readonly<Record<string, unknown>> | null | undefined) {
  const entries = Object.entries(fields ?? {}).map(([key, value]) => [key, MOMENTARY.includes(key) ? '' : value])
  return { code, remark: plain(remark), fields: fields === null || fields === undefined ? null : Object.fromEntries(entries) }
}

/** Whether the answer depends on what is not built, or not in this broker's store. */
function isOther({ request, hex, extFields }: Frame, reply: Frame): boolean {
  const text = Buffer.from(hex, 'hex').toString('latin1')
  if (MISSING.includes(request) || text.includes('SQL92') || text.includes('TRAN_MSG')) return true
  if (request === 361 || (request === 11 && reply.code === 3)) return reply.code === 3 && extFields?.topic === undefined
  return [33, 36, 12].includes(request) && reply.code === 0
}

/** Those about parts that are not built, with settings of their own, or of the name server's. */
const OTHERS =
  /^(acl|ha|slave|mqadmin|namesrv|register|route|transaction|request-reply|admin-no|consumer-online|malformed|send-large|send-sync|send-no)/

for (const name of conversationNames().filter((name) => !OTHERS.test(name)))
  t.test(name, async (t) => {
    const { broker, peer } = await started(t)
    const [host, port] = broker.address.split(':')
    const setup = await peer()
    for (const b of TOPICS) for (let e = 0; e < 4; e++) await send(setup, { b, e })
    const frames = conversation(name) as Frame[]
    const peers = new Map<number, RemotingPeer>()
    for (const frame of frames.filter(({ to, hex, cut }) => to === 'broker' && hex !== undefined && !cut)) {
      const command = commandOf(frame)
      const isReply = ({ from, conn, opaque, flag }: Frame) =>
        from === 'broker' && conn === frame.conn && opaque === frame.opaque && ((flag ?? 0) & 1) === 1
      const reply = frames.find(isReply)
      const vip = (frame as Frame & { port: number }).port % 100 === 9
      const one = peers.get(frame.conn) ?? (await RemotingPeer.connect(vip ? `${host}:${Number(port) - 2}` : broker.address))
      t.teardown(() => one.close())
      peers.set(frame.conn, one)
      if (isResponse(command)) continue
      const answered = one.send(command)
      if (reply === undefined) continue
      const patience = new Promise<undefined>((resolve) => setTimeout(resolve, PATIENCE_MS, undefined))
      const answer = await (frame.request === 11 ? Promise.race([answered, patience]) : answered)
      if (isOther(frame, reply)) continue
      if (
        frame.request === 11 &&
        FOUND_OR_NOT.includes(reply.code as number) &&
        (answer === undefined || FOUND_OR_NOT.includes(answer.code))
      )
        continue
      t.same(
        answer && told(answer.code, answer.remark, answer.fields),
        told(reply.code, reply.remark, reply.extFields),
        `${frame.n}: ${frame.request}`,
      )
    }
  })

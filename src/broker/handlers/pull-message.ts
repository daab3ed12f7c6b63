/** PULL_MESSAGE: checks and words of RocketMQ's PullMessageProcessor; the records go from the log to the socket by the store's transfer. */
import { PERM_READ } from '../../protocol/bodies/topic-config.js'
import type { Command } from '../../protocol/command.js'
import { PULL_COMMITS, PULL_HAS_SUBSCRIPTION, PULL_MESSAGE, PULL_SUSPENDS } from '../../protocol/requests/broker.js'
import { FAQ, ResponseCode } from '../../protocol/response-code.js'
import type { Connection } from '../../remoting/connection.js'
import { type Answer, LaterAnswer } from '../../remoting/remoting-server.js'
import type { PlainPull } from '../../store/plain-requests.js'
import { TagFilter } from '../../store/tag-filter.js'
import { TransferTarget } from '../../store/transfer-target.js'
import type { PullStatus, RangePullResult } from '../../store/types.js'
import type { BrokerContext } from '../context.js'
import type { HeldPull } from '../held-pulls.js'
import { brokerForbids, refusal, topicUnknown } from '../refusals.js'

const TAG = 'TAG'
const SQL = 'SQL92'
const MAX_FILTERS = 1024
const CODES: Readonly<Record<PullStatus, number>> = {
  FOUND: ResponseCode.SUCCESS,
  NO_MATCHED_MESSAGE: ResponseCode.PULL_RETRY_IMMEDIATELY,
  MESSAGE_WAS_REMOVING: ResponseCode.PULL_RETRY_IMMEDIATELY,
  OFFSET_FOUND_NULL: ResponseCode.PULL_NOT_FOUND,
  OFFSET_OVERFLOW_ONE: ResponseCode.PULL_NOT_FOUND,
  OFFSET_OVERFLOW_BADLY: ResponseCode.PULL_OFFSET_MOVED,
  OFFSET_TOO_SMALL: ResponseCode.PULL_OFFSET_MOVED,
  NO_MATCHED_LOGIC_QUEUE: ResponseCode.PULL_NOT_FOUND,
  NO_MESSAGE_IN_QUEUE: ResponseCode.PULL_NOT_FOUND,
}

interface Pull {
  readonly consumerGroup: string
  readonly topic: string
  readonly queueId: number
  readonly queueOffset: number
  readonly maxMessages: number
  readonly filter: TagFilter
}

/** By expression: a consumer sends the same one with each pull. */
const filters = new Map<string, TagFilter>()

export async function pullMessage(context: BrokerContext, request: Command, connection: Connection): Promise<Answer | LaterAnswer> {
  const { groups, topics, offsets } = context
  const fields = PULL_MESSAGE.fields.read(request.fields)
  const { consumerGroup = '', topic = '', queueId, queueOffset, maxMsgNums, sysFlag, commitOffset, suspendTimeoutMillis } = fields
  const filter = refusedAtOnce(context, { consumerGroup, topic, queueId }, connection) ?? filterOf(context, fields)
  if (!(filter instanceof TagFilter)) return filter
  if ((sysFlag & PULL_COMMITS) !== 0) offsets.commit(consumerGroup, topic, queueId, commitOffset)
  // Names that others have too: one that waits keeps them long.
  const pull: Pull = {
    consumerGroup: groups.get(consumerGroup)?.groupName ?? consumerGroup,
    topic: topics.get(topic)?.topicName ?? topic,
    ...{ queueId, queueOffset, filter, maxMessages: Math.max(1, maxMsgNums) },
  }
  const page = await look(context, pull, queueOffset)
  const waits = codeOf(pull, page) === ResponseCode.PULL_NOT_FOUND && (sysFlag & PULL_SUSPENDS) !== 0
  const plain = waits || page.status === 'FOUND' ? context.plainRequests.pullKnown(request, fields, filter, connection) : undefined
  if (!waits) return answerOf(context, pull, page)
  const suspended = { opaque: request.opaque, suspendMs: suspendTimeoutMillis, plain }
  return suspend(context, pull, suspended, connection) ?? answerOf(context, pull, page)
}

type Suspends = Pick<BrokerContext, 'settings' | 'groups' | 'store' | 'held' | 'now' | 'plainRequests'>

/** Of a pull that waits. */
interface Suspended {
  readonly opaque: number
  readonly suspendMs: number
  /** Where the core may answer it. */
  readonly plain: PlainPull | undefined
}

/** Has a pull wait for messages. Undefined where too many do. */
export function suspend(context: Suspends, pull: Pull, suspended: Suspended, connection: Connection): LaterAnswer | undefined {
  const waiting = new WaitingPull(context, pull, suspended, connection)
  return context.held.hold(waiting) ? waiting.later : undefined
}

class WaitingPull implements HeldPull {
  readonly later = new LaterAnswer()
  readonly connection: Connection
  readonly untilMs: number
  seenTo: number
  readonly #context: Suspends
  readonly #pull: Pull
  readonly #plain: PlainPull | undefined
  readonly #opaque: number

  constructor(context: Suspends, pull: Pull, { opaque, suspendMs, plain }: Suspended, connection: Connection) {
    const { settings, now } = context
    this.#context = context
    this.#pull = pull
    this.#plain = plain
    this.#opaque = opaque
    this.connection = connection
    this.untilMs = now() + (settings.longPollingEnable ? suspendMs : settings.shortPollingTimeMills)
    this.seenTo = pull.queueOffset
  }

  get topic(): string {
    return this.#pull.topic
  }

  get queueId(): number {
    return this.#pull.queueId
  }

  get offset(): number {
    return this.#pull.queueOffset
  }

  tryAgain(last: boolean): boolean | Promise<boolean> {
    return (!last && this.#answered()) || this.#lookAgain(last)
  }

  async #lookAgain(last: boolean): Promise<boolean> {
    const page = await look(this.#context, this.#pull, last ? this.offset : this.seenTo)
    const nothing = codeOf(this.#pull, page) === ResponseCode.PULL_NOT_FOUND || page.status === 'NO_MATCHED_MESSAGE'
    if (nothing && !last) this.seenTo = Math.max(this.seenTo, page.nextOffset)
    else this.later.settle(answerOf(this.#context, this.#pull, page))
    return !nothing || last
  }

  /** In the core, without an answer of ours. */
  #answered(): boolean {
    const { queueId, maxMessages } = this.#pull
    const waiting = { queueId, maxMessages, offset: this.seenTo, opaque: this.#opaque }
    return this.#plain !== undefined && this.#context.plainRequests.answer(this.connection, this.#plain, waiting)
  }

  fail(error: Error): void {
    this.later.settle({ code: ResponseCode.SYSTEM_ERROR, remark: `${error.name}: ${error.message}` })
  }
}

interface Where {
  readonly consumerGroup: string
  readonly topic: string
  readonly queueId: number
}

type Rules = Pick<BrokerContext, 'settings' | 'groups' | 'topics' | 'consumers'>

export function refusedAtOnce(context: Rules, { consumerGroup, topic, queueId }: Where, connection: Connection): Answer | undefined {
  const { settings, groups, topics } = context
  if ((settings.brokerPermission & PERM_READ) === 0) return brokerForbids(context, 'pulling message')
  const group = groups.find(consumerGroup)
  if (group === undefined)
    return refusal(ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST, `subscription group [${consumerGroup}] does not exist, ${FAQ}`)
  if (!group.consumeEnable) return refusal(ResponseCode.NO_PERMISSION, `subscription group no permission, ${consumerGroup}`)
  const config = topics.get(topic)
  if (config === undefined) return topicUnknown(topic, ' ')
  if ((config.perm & PERM_READ) === 0) return refusal(ResponseCode.NO_PERMISSION, `the topic[${topic}] pulling message is forbidden`)
  if (queueId >= 0 && queueId < config.readQueueNums) return undefined
  const why = `queueId[${queueId}] is illegal, topic:[${topic}] topicConfig.readQueueNums:[${config.readQueueNums}] consumer:[/${connection.remote}]`
  return refusal(ResponseCode.SYSTEM_ERROR, why)
}

type Subscribing = Pick<ReturnType<typeof PULL_MESSAGE.fields.read>, 'consumerGroup' | 'topic' | 'sysFlag' | 'subVersion'> & {
  readonly expressionType?: string | undefined
  readonly subscription?: string | undefined
}

/** What of the queue it asks for: by itself, or as its group has subscribed. For the same expression the same. */
export function filterOf({ consumers, groups }: Rules, given: Subscribing): TagFilter | Answer {
  const { consumerGroup = '', topic = '', sysFlag, subVersion } = given
  if ((sysFlag & PULL_HAS_SUBSCRIPTION) !== 0) {
    const { expressionType = TAG, subscription = '*' } = given
    // An expression of an unknown kind matches everything, as RocketMQ has it.
    if (expressionType !== TAG) return expressionType === SQL ? noSql() : tagFilter('*')
    return tagFilter(subscription)
  }
  const group = consumers.group(consumerGroup)
  if (group === undefined) return refusal(ResponseCode.SUBSCRIPTION_NOT_EXIST, `the consumer's group info not exist${FAQ}`)
  if (group.messageModel === 'BROADCASTING' && groups.get(consumerGroup)?.consumeBroadcastEnable === false)
    return refusal(ResponseCode.NO_PERMISSION, `the consumer group[${consumerGroup}] can not consume by broadcast way`)
  const subscription = group.subscriptions.get(topic)
  if (subscription === undefined) return refusal(ResponseCode.SUBSCRIPTION_NOT_EXIST, `the consumer's subscription not exist${FAQ}`)
  if (subscription.subVersion < subVersion) return refusal(ResponseCode.SUBSCRIPTION_NOT_LATEST, "the consumer's subscription not latest")
  return subscription.expressionType === TAG ? tagFilter(subscription.subString) : noSql()
}

export function noSql(): Answer {
  return refusal(ResponseCode.SYSTEM_ERROR, 'The broker does not support consumer to filter message by SQL92')
}

function tagFilter(expression: string): TagFilter | Answer {
  const known = filters.get(expression)
  if (known !== undefined) return known
  if (filters.size >= MAX_FILTERS) filters.clear()
  try {
    const filter = new TagFilter(expression)
    filters.set(expression, filter)
    return filter
  } catch {
    return refusal(ResponseCode.SUBSCRIPTION_PARSE_FAILED, "parse the consumer's subscription failed")
  }
}

type Page = Pick<RangePullResult, 'status' | 'nextOffset' | 'minOffset' | 'maxOffset' | 'ranges' | 'suggestPullingFromSlave'>

async function look(
  { store }: Pick<BrokerContext, 'store'>,
  { topic, queueId, maxMessages, filter: tags }: Pull,
  offset: number,
): Promise<Page> {
  if (offset >= 0) return store.pullRanges({ topic, queueId, offset: Math.min(offset, Number.MAX_SAFE_INTEGER), maxMessages, tags })
  // Below every queue: the store's offsets begin at 0.
  const { minOffset, maxOffset } = store.bounds(topic, queueId)
  const nothing = { ranges: new Float64Array(0), minOffset, maxOffset, suggestPullingFromSlave: false }
  if (maxOffset === 0) return { ...nothing, status: 'NO_MESSAGE_IN_QUEUE', nextOffset: 0 }
  return { ...nothing, status: 'OFFSET_TOO_SMALL', nextOffset: minOffset }
}

/** Where there is nothing yet, every offset but the first is wrong. */
function codeOf({ queueOffset }: Pull, { status }: Page): number {
  const empty = status === 'NO_MESSAGE_IN_QUEUE' || status === 'NO_MATCHED_LOGIC_QUEUE'
  return empty && queueOffset !== 0 ? ResponseCode.PULL_OFFSET_MOVED : CODES[status]
}

/** Ids for the next pull; where this broker lags far behind. */
export function suggestedBrokers({ settings, groups }: Pick<BrokerContext, 'settings' | 'groups'>, name: string) {
  const group = settings.slaveReadEnable ? groups.get(name) : undefined
  return { broker: group?.brokerId ?? 0, slowBroker: group?.whichBrokerWhenConsumeSlowly ?? 0 }
}

function answerOf({ settings, groups, store }: Pick<BrokerContext, 'settings' | 'groups' | 'store'>, pull: Pull, page: Page): Answer {
  const { status, nextOffset, minOffset, maxOffset, ranges, suggestPullingFromSlave } = page
  const { broker, slowBroker } = suggestedBrokers({ settings, groups }, pull.consumerGroup)
  const told = (remark: PullStatus, code: number): Answer => ({
    ...{ code, remark },
    fields: {
      suggestWhichBrokerId: String(suggestPullingFromSlave ? slowBroker : broker),
      nextBeginOffset: String(nextOffset),
      maxOffset: String(maxOffset),
      minOffset: String(minOffset),
    },
  })
  const answer = told(status, codeOf(pull, page))
  if (ranges.length === 0) return answer
  let bytes = 0
  for (let i = 1; i < ranges.length; i += 2) bytes += ranges[i] as number
  return {
    ...answer,
    outside: {
      bytes,
      send: (socket, head) => store.transfer(TransferTarget.of(socket), { head, ranges }),
      otherwise: told('MESSAGE_WAS_REMOVING', ResponseCode.PULL_RETRY_IMMEDIATELY),
    },
  }
}

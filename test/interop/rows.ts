/** Messages as plain values that both sides fill, and where two lists of them first differ. */
import { createHash } from 'node:crypto'
import { isIPv6 } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import type { AppendResult, Message, MessageStore } from '#src/index.js'
import type { Put } from './plan.js'
import type { PullRequest, PullRow, QueryRequest, QueryRow } from './store-peer.js'

export interface Row {
  topic: string
  queueId: number
  queueOffset: number
  logOffset: number
  size: number
  flag: number
  sysFlag: number
  bornTimestamp: number
  bornHost: string
  storeTimestamp: number
  storeHost: string
  reconsumeTimes: number
  preparedTransactionOffset: number
  bodyCrc: number
  bodyLength: number
  bodySha1: string
  /** Of the decompressed body, where the stored one is compressed. */
  plainSha1?: string
  properties: Record<string, string>
  messageId: string
  /** Of the record's bytes. */
  recordSha1: string
}

export async function rowOf(message: Message): Promise<Row> {
  return {
    topic: message.topic,
    queueId: message.queueId,
    queueOffset: message.queueOffset,
    logOffset: message.logOffset,
    size: message.size,
    flag: message.flag,
    sysFlag: message.sysFlag,
    bornTimestamp: message.bornTimestamp,
    bornHost: canonicalHost(message.bornHost),
    storeTimestamp: message.storeTimestamp,
    storeHost: canonicalHost(message.storeHost),
    reconsumeTimes: message.reconsumeTimes,
    preparedTransactionOffset: message.preparedTransactionOffset,
    bodyCrc: message.bodyCrc,
    bodyLength: message.body.length,
    bodySha1: sha1(message.body),
    ...(message.sysFlag & 1 ? { plainSha1: sha1(await message.plainBody()) } : {}),
    properties: { ...message.properties },
    messageId: message.messageId,
    recordSha1: sha1(message.raw),
  }
}

/** Every record of the log, as millrace reads it. */
export async function rowsOf(store: MessageStore): Promise<Row[]> {
  const rows: Row[] = []
  for await (const message of store.records()) rows.push(await rowOf(message))
  return rows
}

/** One pull, told as Java tells it. */
export async function pullOf(store: MessageStore, pull: PullRequest): Promise<PullRow> {
  const { status, nextOffset, minOffset, maxOffset, messages } = await store.pull(pull)
  return { status, nextOffset, minOffset, maxOffset, logOffsets: messages.map((message) => message.logOffset) }
}

/** Where the messages of a key lie that millrace's index finds, in the log's order. */
export function queryOf(store: MessageStore, query: QueryRequest): QueryRow {
  const { topic, key, maxMessages: limit, begin, end } = query
  return { ...query, logOffsets: [...new Set(store.index.query(topic, key, { limit, begin, end }))].sort((a, b) => a - b) }
}

/** Java's rows, with hosts spelt as we compare them. */
export function canonical(rows: readonly Row[]): Row[] {
  return rows.map((row) => ({ ...row, bornHost: canonicalHost(row.bornHost), storeHost: canonicalHost(row.storeHost) }))
}

/** What a planned message must have become, and what the append said of it. */
export function planned(put: Put, result: AppendResult): Partial<Row> {
  const { topic, queueId, flag, bornTimestamp, reconsumeTimes, preparedTransactionOffset, properties, tags, keys } = put
  const { logOffset, queueOffset, size, storeTimestamp, messageId } = result
  const body = Buffer.from(put.body, 'base64')
  return {
    topic,
    queueId,
    queueOffset,
    logOffset,
    size,
    flag,
    sysFlag: put.sysFlag | (put.bornHost.startsWith('[') ? 0x10 : 0) | (put.storeHost.startsWith('[') ? 0x20 : 0),
    bornTimestamp,
    bornHost: canonicalHost(put.bornHost),
    storeTimestamp,
    storeHost: canonicalHost(put.storeHost),
    reconsumeTimes,
    preparedTransactionOffset,
    bodyLength: body.length,
    bodySha1: sha1(body),
    properties: { ...properties, ...(tags === undefined ? {} : { TAGS: tags }), ...(keys === undefined ? {} : { KEYS: keys }) },
    messageId,
  }
}

/** The first place where two lists differ, to be compared with undefined: a test's own report of ten thousand rows would help nobody. */
export function firstDifference<T extends object>(found: readonly T[], expected: readonly Partial<T>[]): object | undefined {
  for (let i = 0; i < Math.max(found.length, expected.length); i++) {
    const row = found[i] as T
    const other = expected[i] as Partial<T>
    if (row === undefined || other === undefined) return { at: i, found: row, expected: other, lengths: [found.length, expected.length] }
    const compared = Object.fromEntries(Object.keys(other).map((name) => [name, row[name as keyof T]]))
    if (!isDeepStrictEqual(compared, { ...other })) return { at: i, found: compared, expected: other }
  }
  return undefined
}

/** One spelling of an address: Java writes every group of an IPv6 one. */
function canonicalHost(host: string): string {
  const colon = host.lastIndexOf(':')
  const ip = host.slice(0, colon).replace(/^\[|\]$/g, '')
  return isIPv6(ip) ? `${new URL(`http://[${ip}]`).hostname}${host.slice(colon)}` : host
}

function sha1(bytes: Uint8Array): string {
  return createHash('sha1').update(bytes).digest('hex')
}

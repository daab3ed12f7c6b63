/** Random messages that Java and millrace can both be told to append, and the same message as each of them wants it. */
import { deflateSync } from 'node:zlib'
import type { MessageInput } from '#src/index.js'
import type { Random } from '../support/random.js'

/** A message as JSON, every field given; `body` in base64. */
export interface Put {
  topic: string
  queueId: number
  body: string
  tags?: string | undefined
  /** Separated by single spaces. */
  keys?: string | undefined
  properties: Record<string, string>
  flag: number
  sysFlag: number
  bornTimestamp: number
  bornHost: string
  storeHost: string
  reconsumeTimes: number
  preparedTransactionOffset: number
  /** Java compresses the body and sets the bits. */
  compress?: 'ZLIB' | 'LZ4' | 'ZSTD' | undefined
}

/** One topic and queue, and all else that a record takes from the batch rather than from the item. */
export interface Batch {
  batch: Put
  items: Put[]
}

export type Step = Put | Batch

export function isBatch(step: Step): step is Batch {
  return 'batch' in step
}

/** Topics and their number of queues. */
export const topics: Readonly<Record<string, number>> = {
  orders: 4,
  payments: 2,
  '%RETRY%readers': 1,
  'under_score-dash|pipe': 3,
  [`long-${'t'.repeat(122)}`]: 1,
}

/** Two of them share a hash, one hashes to the least 32-bit number, and some are beyond ASCII and beyond 16 bits. */
export const tags = ['paid', 'refunded', 'cancelled', 'Aa', 'BB', 'polygenelubricants', 'оплачено', '支払い済み', '🦀 crab'] as const

const transaction = { prepared: 0x4, commit: 0x8, rollback: 0xc }
const compressed = 0x1
const compressedByZlib = 0x301
const delayTopic = 'SCHEDULE_TOPIC_XXXX'

const hosts = ['10.1.2.3:54321', '127.0.0.1:10911', '192.168.7.9:8081', '[2001:db8::1]:54321', '[::1]:10911', '[fe80:1:2:3:4:5:6:7]:65535']

export interface PlanOptions {
  count: number
  /** Some steps mean something to one writer only: Java parks a delayed message itself and compresses in three ways. */
  writer: 'java' | 'millrace'
  maxBodyBytes: number
}

/** Keys are `key<n>` of a small range, so that most have several messages; each message has a UNIQ_KEY of its own. */
export function randomPlan(random: Random, options: PlanOptions): Step[] {
  const steps: Step[] = []
  let number = 0
  while (number < options.count) {
    if (random.chance(0.06)) {
      const items = Array.from({ length: random.between(1, 12) }, () => randomItem(random, number++, { ...options, maxBodyBytes: 2000 }))
      const batch = {
        ...randomPut(random, number, options),
        sysFlag: 0,
        body: '',
        preparedTransactionOffset: 0,
        properties: {},
        tags: undefined,
        keys: undefined,
        compress: undefined,
      }
      steps.push({ batch, items: items.map((item) => ({ ...batch, ...item })) })
    } else {
      steps.push(randomPut(random, number++, options))
    }
  }
  return steps
}

type Item = Pick<Put, 'body' | 'flag' | 'properties' | 'tags' | 'keys'>

/** What each item of a batch has of its own. */
function randomItem(random: Random, number: number, { count, maxBodyBytes }: PlanOptions): Item {
  const largest = random.chance(0.02) ? maxBodyBytes : random.chance(0.1) ? 4000 : 200
  const body = random.chance(0.5)
    ? random.bytes(random.int(largest))
    : Buffer.from('It came by post. '.repeat(1 + random.int(largest / 17)))
  const properties: Record<string, string> = { UNIQ_KEY: `unique-${number}` }
  if (random.chance(0.2)) properties.colour = random.pick(['red', 'blue', 'зелёный'])
  if (random.chance(0.02)) properties.long = 'x'.repeat(random.between(1000, 20000))
  return {
    body: (random.chance(0.05) ? Buffer.alloc(0) : body.subarray(0, maxBodyBytes)).toString('base64'),
    flag: random.chance(0.3) ? random.int(2 ** 32) - 2 ** 31 : 0,
    properties,
    tags: random.chance(0.7) ? random.pick(tags) : undefined,
    keys: random.chance(0.6) ? Array.from({ length: random.between(1, 3) }, () => `key${random.int(count / 8)}`).join(' ') : undefined,
  }
}

function randomPut(random: Random, number: number, options: PlanOptions): Put {
  const topic = random.pick(Object.keys(topics))
  const put: Put = {
    topic,
    queueId: random.int(topics[topic] as number),
    ...randomItem(random, number, options),
    sysFlag: 0,
    bornTimestamp: 1_700_000_000_000 + number,
    bornHost: random.chance(0.7) ? '10.1.2.3:54321' : random.pick(hosts),
    storeHost: random.chance(0.7) ? '127.0.0.1:10911' : random.pick(hosts),
    reconsumeTimes: random.chance(0.1) ? random.int(17) : 0,
    preparedTransactionOffset: 0,
  }
  const kind = random.int(100)
  if (kind < 2) put.sysFlag = transaction.prepared
  else if (kind < 4) Object.assign(put, { sysFlag: transaction.commit, preparedTransactionOffset: random.int(1e9) })
  else if (kind < 5) Object.assign(put, { sysFlag: transaction.rollback, preparedTransactionOffset: random.int(1e9) })
  else if (kind < 8) compress(random, put, options)
  else if (kind < 10) delay(random, put, options)
  return put
}

function compress(random: Random, put: Put, { writer }: PlanOptions): void {
  if (writer === 'java') {
    put.compress = random.pick(['ZLIB', 'LZ4', 'ZSTD'])
  } else {
    put.body = deflateSync(Buffer.from(put.body, 'base64')).toString('base64')
    put.sysFlag = random.pick([compressed, compressedByZlib])
  }
}

/** Levels of 20 minutes and more: a store that is open for less delivers none of them. */
function delay(random: Random, put: Put, { writer }: PlanOptions): void {
  const level = random.between(15, 18)
  put.properties.DELAY = `${level}`
  if (writer === 'java') return
  Object.assign(put.properties, { REAL_TOPIC: put.topic, REAL_QID: `${put.queueId}` })
  put.topic = delayTopic
  put.queueId = level - 1
}

/** A planned message as millrace's append takes it. */
export function toInput({ body, tags, keys, compress: _, ...rest }: Put): MessageInput {
  return {
    ...rest,
    body: Buffer.from(body, 'base64'),
    ...(tags === undefined ? {} : { tags }),
    ...(keys === undefined ? {} : { keys: keys.split(' ') }),
  }
}

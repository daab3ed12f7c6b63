/**
 * Every bit of a small store turned over, one at a time. Whatever opens says what was stored, or reports what it leaves out; only fields that no checksum of
 * RocketMQ's format covers may come out changed. Whatever does not open says where the damage is, and has changed nothing.
 */
import { cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type Message, MessageStore, StoreError, type UnitDamage } from '#src/index.js'
import { collect, newDirectory } from '../store/stores.js'
import { Random, rounds, seed } from '../support/random.js'

t.setTimeout(0)
t.comment(`MILLRACE_SEED=${seed} MILLRACE_ROUNDS=${rounds}`)

const settings = { mappedFileSizeCommitLog: 8192, mappedFileSizeConsumeQueue: 400, maxHashSlotNum: 20, maxIndexNum: 80 }
/** In CI one bit in so many; in full all of them. */
const EVERY = rounds > 1 ? 1 : 16
const COUNT = 6
/** Fields of a message that no checksum covers. What the hosts' and lengths' bits do otherwise is seen by the record's parts not adding up. */
const UNCHECKED = [
  'bornTimestamp',
  'storeTimestamp',
  'flag',
  'sysFlag',
  'reconsumeTimes',
  'preparedTransactionOffset',
  'bornHost',
  'storeHost',
  'properties',
]

/** What must hold of a message, and what only should. */
function fieldsOf(message: Message): Record<string, string> {
  const { topic, queueId, queueOffset, logOffset, properties, body } = message
  const unchecked = Object.fromEntries(UNCHECKED.map((name) => [name, JSON.stringify(message[name as keyof Message])]))
  return {
    ...unchecked,
    topic,
    queueId: `${queueId}`,
    queueOffset: `${queueOffset}`,
    logOffset: `${logOffset}`,
    body: `${body}`,
    properties: JSON.stringify(properties),
  }
}

interface Seen {
  /** By place in its queue. */
  messages: Map<string, Record<string, string>>
  /** Log offsets that are found by key. */
  found: Map<string, string>
}

const queues = [0, 1].flatMap((topic) => [0, 1].map((queueId) => ({ topic: `t${topic}`, queueId })))
const inputs = Array.from({ length: COUNT }, (_, i) => ({
  ...{ topic: `t${i % 2}`, queueId: Math.floor(i / 2) % 2, body: `body ${i}`.padEnd(20 + i, '.'), tags: `tag${i % 3}`, keys: `k${i}` },
  properties: { note: `${i}` },
}))

async function look(store: MessageStore): Promise<Seen> {
  const messages: Seen['messages'] = new Map()
  for (const queue of queues)
    for (const message of await collect(store.messages(queue))) {
      const place = `${queue.topic}/${queue.queueId}/${message.queueOffset}`
      if (messages.has(place)) throw new Error(`${place} comes twice`)
      messages.set(place, fieldsOf(message))
    }
  const found: Seen['found'] = new Map()
  for (const { topic, keys } of inputs)
    found.set(keys, (await store.messagesByKey({ topic, key: keys })).map(({ logOffset }) => logOffset).join())
  return { messages, found }
}

const filesIn = (directory: string): string[] =>
  (readdirSync(directory, { recursive: true }) as string[]).filter((name) => statSync(join(directory, name)).isFile()).sort()
const contents = (directory: string) => new Map(filesIn(directory).map((name) => [name, readFileSync(join(directory, name))]))

t.test('every bit of a small store', async (t) => {
  const [pristine, directory] = [newDirectory(t), newDirectory(t)]
  const store = await MessageStore.open(pristine, { settings })
  await store.appendBatch(inputs)
  const end = store.statistics().log.maxOffset
  await store.close()
  let right: Seen | undefined
  const files = contents(pristine)
  const random = new Random(seed)
  const tally = new Map<string, number>()
  const wrong: string[] = []
  let realBytes = 0
  const fresh = () => {
    rmSync(directory, { recursive: true, force: true })
    cpSync(pristine, directory, { recursive: true })
  }
  fresh()
  {
    const whole = await MessageStore.open(directory, { settings })
    right = await look(whole)
    await whole.close()
    t.equal(right.messages.size, COUNT)
    fresh()
  }

  const judge = async (name: string, at: number, bit: number): Promise<string> => {
    const what = `${name}, bit ${bit} of byte ${at}`
    const damaged = Buffer.from(files.get(name) as Buffer)
    damaged[at] = (damaged[at] as number) ^ (1 << bit)
    writeFileSync(join(directory, name), damaged)
    const damages: UnitDamage[] = []
    let opened: MessageStore
    try {
      opened = await MessageStore.open(directory, { settings, onDamage: (damage) => damages.push(damage) })
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      for (const [file, before] of files)
        if (!readFileSync(join(directory, file)).equals(file === name ? damaged : before) && !file.endsWith('lock'))
          wrong.push(`${what}: refused with ${error.code}, and ${file} has changed`)
      if (!String(error.message).includes(directory)) wrong.push(`${what}: ${error.message} names no file`)
      writeFileSync(join(directory, name), files.get(name) as Buffer)
      return error.code
    }
    const outcomes: string[] = []
    try {
      const { torn, rebuiltQueues, rebuiltIndex } = opened.recovery
      const seen = await look(opened)
      const reported = torn !== undefined || rebuiltQueues.length > 0 || damages.length > 0
      for (const [place, expected] of right?.messages ?? []) {
        const message = seen.messages.get(place)
        if (message === undefined) {
          if (!reported) wrong.push(`${what}: ${place} is lost without a word`)
          outcomes.push('left out and reported')
          continue
        }
        for (const field of Object.keys(expected)) {
          if (message[field] === expected[field]) continue
          if (!UNCHECKED.includes(field)) wrong.push(`${what}: ${field} of ${place} is ${message[field]}, not ${expected[field]}`)
          outcomes.push(`${field} changed`)
        }
      }
      for (const place of seen.messages.keys()) if (!right?.messages.has(place)) wrong.push(`${what}: ${place} was never sent`)
      for (const [key, offsets] of right?.found ?? []) if (seen.found.get(key) !== offsets) outcomes.push('not found by key')
      if (rebuiltIndex) outcomes.push('index made again')
      if (reported && outcomes.length === 0) outcomes.push('mended')
    } finally {
      await opened.close()
    }
    fresh()
    return [...new Set(outcomes)].join(', ') || 'right'
  }

  for (const [name, bytes] of files) {
    const segment = name.startsWith('commitlog')
    for (let at = 0; at < bytes.length; at++) {
      // Holes behind what was written are not the store's.
      if (segment ? at >= end + 8 : bytes[at] === 0 && !name.startsWith('index') && at >= 100) continue
      if (bytes[at] !== 0) realBytes++
      for (let bit = 0; bit < 8; bit++) {
        if (random.int(EVERY) !== 0) continue
        const outcome = `${name.replace(/\d{15,}/, 'N')}: ${await judge(name, at, bit)}`
        tally.set(outcome, (tally.get(outcome) ?? 0) + 1)
      }
    }
  }
  t.ok(realBytes <= 4096, `${realBytes} bytes`)
  for (const [outcome, count] of [...tally].sort()) t.comment(`${count} ${outcome}`)
  t.same(wrong.slice(0, 40), [], `${wrong.length} wrong`)
})

/**
 * Delivers delayed messages when their time has come: RocketMQ's ScheduleMessageService. Each level is a queue of SCHEDULE_TOPIC_XXXX, in which the units
 * hold the times; how far each has been delivered is kept in `config/delayOffset.json`. What a crash has it forget is delivered again.
 */
import { StoreError } from '../errors.js'
import { parseDelayLevels } from '../format/delay-level.js'
import { MAX_PROPERTY_BYTES } from '../format/properties.js'
import { SCHEDULE_TOPIC } from '../format/tag-code.js'
import { entriesOf, numberOf, objectOf } from '../protocol/bodies/values.js'
import { parseFastjson, writeFastjson, writeFastjsonLines } from '../protocol/fastjson.js'
import type { Message } from '../store/message.js'
import type { MessageStore } from '../store/message-store.js'
import type { MessageInput } from '../store/types.js'
import { copyOf } from './copy-of.js'
import type { Inbox } from './inbox.js'
import { SavedFile } from './saved-file.js'

const FILE = 'delayOffset.json'
/** So many of a level are under way at once. */
const AT_ONCE = 512
/** So often a level is looked at in any case: others may append to its queue, and timers may be late. */
const LONGEST_SLEEP_MS = 1000
const RETRY_MS = 1000

export interface DelayOptions {
  readonly store: MessageStore
  readonly inbox: Inbox
  /** The setting messageDelayLevel. */
  readonly levels: string
  readonly now: () => number
  readonly onTrouble: (reason: string) => void
}

interface Level {
  readonly number: number
  readonly delayMs: number
  /** Queue offset of the message to deliver next. */
  offset: number
  working: boolean
  /** There was nothing to wait for. */
  idle: boolean
  timer: NodeJS.Timeout | undefined
}

export class DelayService {
  readonly #options: DelayOptions
  readonly #levels: Level[]
  readonly #file: SavedFile
  #changed = false
  #stopped = false
  readonly #running = new Set<Promise<void>>()

  private constructor(options: DelayOptions, offsets: ReadonlyMap<number, number>) {
    this.#options = options
    this.#levels = parseDelayLevels(options.levels).map((delayMs, i) => ({
      ...{ number: i + 1, delayMs, working: false, idle: false, timer: undefined },
      offset: offsets.get(i + 1) ?? 0,
    }))
    this.#file = new SavedFile(options.store.config, FILE, () => writeFastjsonLines({ offsetTable: this.#offsets() }))
  }

  static async open(options: DelayOptions): Promise<DelayService> {
    const saved = await options.store.config.read(FILE, (text) => objectOf(parseFastjson(text)))
    return new DelayService(options, new Map(entriesOf(saved?.offsetTable).map(([level, offset]) => [Number(level), numberOf(offset, 0)])))
  }

  start(): void {
    for (const level of this.#levels) this.#work(level)
  }

  /** Something has arrived in the queue of a level. */
  arrived(queueId: number): void {
    const level = this.#levels[queueId]
    // One that sleeps till a message is due has an earlier one: times of a level do not go back.
    if (level?.idle) this.#work(level)
  }

  /** Settles when what is being delivered is, and the offsets are on disk. */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const level of this.#levels) clearTimeout(level.timer)
    await Promise.all(this.#running)
    await this.save()
  }

  async save(): Promise<void> {
    if (!this.#changed) return
    this.#changed = false
    await this.#file.save().catch((error) => {
      this.#changed = true
      throw error
    })
  }

  /** As a body. */
  write(): Buffer {
    return Buffer.from(writeFastjson({ offsetTable: this.#offsets() }))
  }

  #offsets(): Map<number, number> {
    return new Map(this.#levels.filter(({ offset }) => offset > 0).map(({ number, offset }) => [number, offset]))
  }

  #work(level: Level): void {
    if (level.working || this.#stopped) return
    level.working = true
    level.idle = false
    clearTimeout(level.timer)
    level.timer = undefined
    const running = this.#deliverDue(level)
      .then((sleepMs) => {
        level.working = false
        // What arrived while the last ones were delivered has told nobody.
        if (sleepMs === undefined && !this.#stopped && level.offset < this.#end(level)) this.#work(level)
        else this.#sleep(level, sleepMs)
      })
      .catch((error: Error) => {
        level.working = false
        this.#options.onTrouble(`delayed messages of level ${level.number} wait: ${error.message}`)
        this.#sleep(level, RETRY_MS)
      })
      .finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  #sleep(level: Level, ms: number | undefined): void {
    if (this.#stopped) return
    level.idle = ms === undefined
    level.timer = setTimeout(
      () => {
        level.timer = undefined
        this.#work(level)
      },
      Math.min(Math.max(ms ?? LONGEST_SLEEP_MS, 0), LONGEST_SLEEP_MS),
    )
  }

  #end(level: Level): number {
    return this.#options.store.bounds(SCHEDULE_TOPIC, level.number - 1).maxOffset
  }

  /** How many milliseconds are left to the next one; undefined where there is none. */
  async #deliverDue(level: Level): Promise<number | undefined> {
    const { store, now } = this.#options
    const queue = store.consumeQueue(SCHEDULE_TOPIC, level.number - 1)
    level.offset = Math.min(Math.max(level.offset, queue.minOffset), queue.maxOffset)
    while (!this.#stopped) {
      const due: number[] = []
      let sleepMs: number | undefined
      for (const { logOffset, tagCode } of queue.units(level.offset, AT_ONCE)) {
        // One that is further away than its level allows has a time from another clock, or from longer levels.
        const left = Number(tagCode) - now()
        if (left > 0 && left <= level.delayMs) {
          sleepMs = left
          break
        }
        due.push(logOffset)
      }
      await this.#deliver(level, due)
      if (sleepMs !== undefined || due.length === 0) return sleepMs
    }
    return undefined
  }

  /** In order. The level moves on behind those that are delivered before the first that can't be, and that one's error is thrown. */
  async #deliver(level: Level, logOffsets: readonly number[]): Promise<void> {
    const messages = await Promise.all(logOffsets.map((logOffset) => this.#options.store.messageAt(logOffset)))
    const outcomes = await Promise.allSettled(messages.map((message) => this.#deliverOne(message)))
    const failed = outcomes.find((outcome) => outcome.status === 'rejected')
    const done = failed === undefined ? outcomes.length : outcomes.indexOf(failed)
    level.offset += done
    if (done > 0) this.#changed = true
    if (failed !== undefined) throw failed.reason
  }

  async #deliverOne(message: Message | undefined): Promise<void> {
    // One that retention has taken has nothing left to deliver.
    const delivery = message === undefined ? undefined : deliveryOf(message)
    if (message === undefined || delivery === undefined) return
    const { inbox, onTrouble } = this.#options
    try {
      await inbox.deliver(delivery)
    } catch (error) {
      if (!isIllegal(error)) throw error
      // No later try would do better, and those behind it would wait for ever.
      onTrouble(`the message at ${message.logOffset} can't be delivered, and is passed over: ${(error as Error).message}`)
    }
  }
}

function isIllegal(error: unknown): boolean {
  const codes: readonly string[] = ['MESSAGE_ILLEGAL', 'PROPERTIES_SIZE_EXCEEDED', 'INVALID_ARGUMENT']
  return error instanceof StoreError && codes.includes(error.code)
}

/** The message as it was meant; undefined for one that does not say where it belongs. */
function deliveryOf(message: Message): MessageInput | undefined {
  const { REAL_TOPIC: topic, REAL_QID: queueId } = message.properties
  if (topic === undefined || queueId === undefined || topic === 'RMQ_SYS_TRANS_HALF_TOPIC') return undefined
  const properties = { WAIT: 'false' }
  return copyOf(message, { topic, queueId: Number(queueId), properties: hasRoom(message, properties) ? properties : {} })
}

/** Whether a message can have these properties too. Looked at before and not after a refusal: by then those behind it would have overtaken it. */
function hasRoom({ size, properties }: Message, added: Readonly<Record<string, string>>): boolean {
  if (size < MAX_PROPERTY_BYTES / 2) return true
  let bytes = -1 // nothing stands behind the last
  for (const [name, value] of Object.entries({ ...properties, ...added })) bytes += Buffer.byteLength(name) + Buffer.byteLength(value) + 2
  return bytes <= MAX_PROPERTY_BYTES
}

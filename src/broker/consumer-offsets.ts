/**
 * Where each group is in each queue: RocketMQ's ConsumerOffsetManager, kept in `config/consumerOffset.json`. Writing it gives way to other work every few
 * thousand queues.
 */
import { setImmediate as otherWork } from 'node:timers/promises'
import { entriesOf, numberOf, objectOf, textOf } from '../protocol/bodies/values.js'
import { parseFastjson, quote, writeFastjson } from '../protocol/fastjson.js'
import type { ConfigFiles } from '../store/config-files.js'
import { SavedFile } from './saved-file.js'

const FILE = 'consumerOffset.json'
const QUEUES_AT_ONCE = 5000

export class ConsumerOffsets {
  /** `topic@group` → queue id → queue offset of the message to consume next */
  readonly #table = new Map<string, Map<number, number>>()
  readonly #file: SavedFile
  #changed = false

  private constructor(config: ConfigFiles) {
    this.#file = new SavedFile(config, FILE, () => this.#text())
  }

  static async open(config: ConfigFiles): Promise<ConsumerOffsets> {
    const offsets = new ConsumerOffsets(config)
    const saved = await config.read(FILE, (text) => objectOf(parseFastjson(text)))
    for (const [key, queues] of entriesOf(saved?.offsetTable))
      offsets.#table.set(textOf(key), new Map(entriesOf(queues).map(([queueId, offset]) => [Number(queueId), numberOf(offset, 0)])))
    return offsets
  }

  get(group: string, topic: string, queueId: number): number | undefined {
    return this.#table.get(`${topic}@${group}`)?.get(queueId)
  }

  /** Whatever was there before: it may go back. On disk with the next `save`. */
  commit(group: string, topic: string, queueId: number, offset: number): void {
    const key = `${topic}@${group}`
    let queues = this.#table.get(key)
    if (queues === undefined) {
      queues = new Map()
      this.#table.set(key, queues)
    }
    queues.set(queueId, offset)
    this.#changed = true
  }

  /** Groups that have been in a topic. */
  groupsOf(topic: string): string[] {
    const begin = `${topic}@`
    return [...this.#table.keys()].filter((key) => key.startsWith(begin)).map((key) => key.slice(begin.length))
  }

  forgetGroup(group: string): void {
    for (const key of this.#table.keys()) {
      if (!key.endsWith(`@${group}`)) continue
      this.#table.delete(key)
      this.#changed = true
    }
  }

  /**
   * Takes offsets that lie behind their queue's end back to it: in a power cut the log may have lost its end, and what gets those numbers next would be
   * skipped. Returns what was changed.
   */
  cutBack(endOf: (topic: string, queueId: number) => number): { key: string; queueId: number; offset: number; end: number }[] {
    const cut: { key: string; queueId: number; offset: number; end: number }[] = []
    for (const [key, queues] of this.#table) {
      const topic = key.slice(0, Math.max(0, key.indexOf('@')))
      for (const [queueId, offset] of queues) {
        const end = endOf(topic, queueId)
        if (offset <= end) continue
        queues.set(queueId, end)
        cut.push({ key, queueId, offset, end })
        this.#changed = true
      }
    }
    return cut
  }

  /** As a body. */
  write(): Buffer {
    return Buffer.from(writeFastjson({ offsetTable: this.#table }))
  }

  /** Settles when all that was committed before is on disk. */
  async save(): Promise<void> {
    if (!this.#changed) return
    this.#changed = false
    try {
      await this.#file.save()
    } catch (error) {
      this.#changed = true
      throw error
    }
  }

  /** As writeFastjsonLines would. */
  async #text(): Promise<string> {
    const lines: string[] = []
    let queuesBefore = 0
    for (const [key, queues] of this.#table) {
      let line = `\t\t${quote(key)}:{`
      for (const [queueId, offset] of queues) line += `${queueId}:${offset},`
      lines.push(queues.size === 0 ? `${line}}` : `${line.slice(0, -1)}\n\t\t}`)
      queuesBefore += queues.size + 1
      if (queuesBefore < QUEUES_AT_ONCE) continue
      queuesBefore = 0
      await otherWork()
    }
    const table = lines.length === 0 ? '{}' : `{\n${lines.join(',\n')}\n\t}`
    return `{\n\t"offsetTable":${table}\n}`
  }
}

/** Holds the consume queues against the log: each message that enters a queue has its unit, and each unit its message. */
import { join } from 'node:path'
import { extensionOffset, isFiller, isWritten, type QueueUnit, readQueueUnit, UNIT_BYTES } from '../format/queue-unit.js'
import { type NumberedFile, namesIn, numberedFiles, readPiece } from './files.js'
import type { Findings } from './findings.js'
import { ExtensionFiles } from './queue-extension.js'

const MAX_WINDOW_UNITS = 512
const TOPIC = /^[%|\-_0-9a-zA-Z]{1,255}$/
const MAX_QUEUE_ID = 0x7fffffff

/** What a record must have in a queue. */
export interface ExpectedUnit {
  topic: string
  queueId: number
  queueOffset: number
  logOffset: number
  size: number
  storeTimestamp: number
  tagCode: bigint
  /** The code is a time, and maybe that of a store whose levels are not known: any after the store time will do. */
  delayed: boolean
}

export class QueueChecks {
  units = 0
  readonly #queues = new Map<string, QueueCheck>()
  readonly #findings: Findings
  readonly #logMin: number

  private constructor(findings: Findings, logMin: number) {
    this.#findings = findings
    this.#logMin = logMin
  }

  static async open(root: string, findings: Findings, logMin: number): Promise<QueueChecks> {
    const checks = new QueueChecks(findings, logMin)
    for (const topic of await namesIn(join(root, 'consumequeue'))) {
      if (!TOPIC.test(topic)) {
        findings.add({ part: 'queue', path: join('consumequeue', topic), problem: 'is no name of a topic' })
        continue
      }
      for (const queueId of await namesIn(join(root, 'consumequeue', topic)).catch(notAFolder)) {
        const folder = join('consumequeue', topic, queueId)
        if (!/^(0|[1-9]\d{0,9})$/.test(queueId) || Number(queueId) > MAX_QUEUE_ID) {
          findings.add({ part: 'queue', path: folder, problem: 'is no number of a queue' })
          continue
        }
        const files = await numberedFiles(root, [folder], 'queue', UNIT_BYTES, findings).catch(notAFolder)
        const extension = await numberedFiles(root, [join('consumequeue_ext', topic, queueId)], 'queue', 1, findings).catch(notAFolder)
        checks.#queues.set(folder, new QueueCheck(folder, files, new ExtensionFiles(extension)))
      }
    }
    return checks
  }

  has(topic: string, queueId: number): boolean {
    return this.#queues.has(join('consumequeue', topic, String(queueId)))
  }

  expect(expected: ExpectedUnit): void {
    const folder = join('consumequeue', expected.topic, String(expected.queueId))
    let queue = this.#queues.get(folder)
    if (queue === undefined) {
      queue = new QueueCheck(folder, [], new ExtensionFiles([]))
      this.#queues.set(folder, queue)
    }
    this.units += queue.expect(expected, this.#logMin, this.#findings)
  }

  /** What the queues have behind the last message of each. */
  finish(logEnd: number): void {
    for (const queue of this.#queues.values()) queue.finish(this.#logMin, logEnd, this.#findings)
  }
}

function notAFolder(error: NodeJS.ErrnoException): [] {
  if (error.code === 'ENOTDIR' || error.code === 'ENOENT') return []
  throw error
}

class QueueCheck {
  readonly #folder: string
  readonly #files: readonly NumberedFile[]
  readonly #extension: ExtensionFiles
  readonly #begin: number
  readonly #end: number
  #next: number
  #window: Buffer = Buffer.alloc(0)
  #windowFrom = 0
  #windowUnits = 8
  #missingFrom = -1
  #missingTo = -1

  constructor(folder: string, files: readonly NumberedFile[], extension: ExtensionFiles) {
    this.#folder = folder
    this.#files = files
    this.#extension = extension
    this.#begin = this.#next = (files[0]?.from ?? 0) / UNIT_BYTES
    const last = files.at(-1)
    this.#end = last === undefined ? this.#begin : (last.from + last.bytes) / UNIT_BYTES
  }

  /** 1 when its unit is right, 0 otherwise. */
  expect(expected: ExpectedUnit, logMin: number, findings: Findings): number {
    const { queueOffset, logOffset, size } = expected
    const found = (problem: string) => findings.add({ part: 'queue', path: this.#folder, queueOffset, logOffset, problem })
    if (queueOffset < this.#next && this.#next > this.#begin) {
      found('the number was given to an earlier message already')
      return 0
    }
    this.#pass(queueOffset, logMin, Number.POSITIVE_INFINITY, findings)
    this.#next = queueOffset + 1
    const unit = this.#unit(queueOffset)
    if (unit === undefined || !isWritten(unit) || isFiller(unit)) {
      if (this.#missingTo !== queueOffset) this.#tellMissing(findings)
      if (this.#missingFrom < 0) this.#missingFrom = queueOffset
      this.#missingTo = queueOffset + 1
      return 0
    }
    if (unit.logOffset !== logOffset || unit.size !== size)
      found(`points to ${unit.size} bytes at ${unit.logOffset}; its message has ${size} at ${logOffset}`)
    else {
      const problem = this.#codeProblem(unit.tagCode, expected)
      if (problem === undefined) return 1
      found(problem)
    }
    return 0
  }

  #codeProblem(tagCode: bigint, expected: ExpectedUnit): string | undefined {
    const address = extensionOffset(tagCode)
    if (address === undefined)
      return isCode(tagCode, expected) ? undefined : `has the tag code ${tagCode}; its message's is ${expected.tagCode}`
    const unit = this.#extension.unit(address)
    if (unit === undefined) return `points to byte ${address} of the queue's extension, where no unit lies`
    const where = `its unit of the extension, at byte ${address},`
    if (!isCode(unit.tagCode, expected)) return `${where} has the tag code ${unit.tagCode}; its message's is ${expected.tagCode}`
    if (unit.storeTimestamp === expected.storeTimestamp) return undefined
    return `${where} has the store time ${unit.storeTimestamp}; its message's is ${expected.storeTimestamp}`
  }

  finish(logMin: number, logEnd: number, findings: Findings): void {
    this.#tellMissing(findings)
    let end = this.#next
    for (let unit = this.#unit(end); unit !== undefined && isWritten(unit); unit = this.#unit(end)) end++
    this.#pass(end, logMin, logEnd, findings)
  }

  /** Units that no message has asked for: they may only point to what is gone. */
  #pass(to: number, logMin: number, logEnd: number, findings: Findings): void {
    for (let offset = Math.max(this.#next, this.#begin); offset < Math.min(to, this.#end); offset++) {
      const unit = this.#unit(offset)
      if (unit === undefined || !isWritten(unit) || isFiller(unit) || unit.logOffset < logMin || findings.isUnread(unit.logOffset)) continue
      const { logOffset } = unit
      const problem = logOffset >= logEnd ? 'points behind the end of the log' : 'points to no message of this queue and number'
      findings.add({ part: 'queue', path: this.#folder, queueOffset: offset, logOffset, problem })
    }
  }

  #tellMissing(findings: Findings): void {
    if (this.#missingFrom < 0) return
    const [from, to] = [this.#missingFrom, this.#missingTo - 1]
    const problem = from === to ? `unit ${from} is missing` : `units ${from} to ${to} are missing`
    findings.add({ part: 'queue', path: this.#folder, queueOffset: from, problem })
    this.#missingFrom = this.#missingTo = -1
  }

  #unit(offset: number): QueueUnit | undefined {
    if (offset < this.#begin || offset >= this.#end) return undefined
    const at = (offset - this.#windowFrom) * UNIT_BYTES
    if (at >= 0 && at < this.#window.length) return readQueueUnit(this.#window, at)
    const fileBytes = this.#files[0]!.bytes
    const byte = offset * UNIT_BYTES
    const file = this.#files[Math.floor((byte - this.#files[0]!.from) / fileBytes)]!
    const inFile = byte - file.from
    // Small at first: there may be very many queues.
    this.#windowUnits = Math.min(MAX_WINDOW_UNITS, 2 * this.#windowUnits)
    this.#window = readPiece(file.path, inFile, Math.min(this.#windowUnits * UNIT_BYTES, file.bytes - inFile))
    this.#windowFrom = offset
    return this.#window.length < UNIT_BYTES ? undefined : readQueueUnit(this.#window, 0)
  }
}

function isCode(tagCode: bigint, { tagCode: expected, delayed, storeTimestamp }: ExpectedUnit): boolean {
  return tagCode === expected || (delayed && tagCode >= BigInt(storeTimestamp))
}

/**
 * Looks at a whole store from its files, without the engine that writes them: every record's bytes and CRC and the chain they make, every queue unit
 * against its message (with its extension), every index entry against its record and every chain through them, checkpoint and position. Changes nothing, and takes no lock: a store
 * that is written meanwhile may look wrong at its end.
 */
import { join, relative, resolve, sep } from 'node:path'
import { storeError } from '../errors.js'
import { int32, int64 } from '../format/bytes.js'
import { CHECKPOINT_BYTES, type Checkpoint, readCheckpoint } from '../format/checkpoint.js'
import { delayLevel, parseDelayLevels } from '../format/delay-level.js'
import { type IndexSizes, indexKeyHash } from '../format/index-file.js'
import { splitKeys } from '../format/properties.js'
import { propertiesOf, QUEUE_ID_AT, QUEUE_OFFSET_AT, SYS_FLAG_AT, storeTimestampOf, topicOf } from '../format/record.js'
import { sideQueueId, sideQueues } from '../format/side-queues.js'
import { transactionType } from '../format/sys-flag.js'
import { SCHEDULE_TOPIC, tagCode, tagHash } from '../format/tag-code.js'
import type { StoreSettings } from '../store/settings.js'
import { checkSettings, defaultSettings, logPaths } from '../store/settings.js'
import { exists, numberedFiles, wholeFile } from './files.js'
import { type Finding, Findings } from './findings.js'
import { IndexChecks } from './index-files.js'
import { type LogRecord, walkLog } from './log.js'
import { PositionChecks } from './position.js'
import { type ExpectedUnit, QueueChecks } from './queues.js'

export interface VerifyOptions {
  /** As `MessageStore.open` takes them; sizes of index files are needed only where they have not four entries to a slot. */
  settings?: Partial<StoreSettings>
  /** Findings that are kept; the rest is counted. Default 1,000. */
  maxFindings?: number
  /** Bytes of the log that have been read, of all. */
  onProgress?: (done: number, total: number) => void
  signal?: AbortSignal
}

export interface Verification {
  /** No file `abort`: whoever wrote last closed the store. What follows the log is otherwise made good by the next opening. */
  closedProperly: boolean
  minLogOffset: number
  maxLogOffset: number
  records: number
  /** Queue units and index entries that are right. */
  units: number
  indexEntries: number
  findings: Finding[]
  /** All of them, those that were not kept included. */
  findingCount: number
}

const PROGRESS_BYTES = 16 << 20
const CHECKPOINT = 'checkpoint'

/** Resolves with what is there and what is wrong. Rejects with NO_STORE where no log is, and with IO_ERROR where a file can't be read. */
export async function verifyStore(directory: string, options: VerifyOptions = {}): Promise<Verification> {
  const root = resolve(directory)
  const settings: StoreSettings = { ...defaultSettings(), ...checkSettings(options.settings ?? {}) }
  const findings = new Findings(options.maxFindings ?? 1000)
  try {
    const logs = logFolders(root, options.settings ?? {})
    if (!(await Promise.all(logs.map((folder) => exists(resolve(root, folder))))).includes(true))
      throw storeError('NO_STORE', { reason: 'holds no commit log', path: root })
    return await new Verifier(root, logs, settings, findings, options).run()
  } catch (error) {
    const { code, message, path = root } = error as NodeJS.ErrnoException
    if (code === undefined || !/^E[A-Z]+$/.test(code)) throw error
    throw storeError('IO_ERROR', { reason: message, path, cause: error })
  }
}

/** The directories of the log: from the root where they lie in it. */
function logFolders(root: string, settings: Partial<StoreSettings>): string[] {
  const { paths, readOnly } = logPaths(settings)
  const all = new Set([...(paths.length === 0 ? [join(root, 'commitlog')] : paths), ...readOnly].map((path) => resolve(path)))
  return [...all].map((path) => (path.startsWith(root + sep) ? relative(root, path) : path))
}

class Verifier {
  readonly #root: string
  readonly #logs: readonly string[]
  readonly #findings: Findings
  readonly #options: VerifyOptions
  readonly #indexSizes: IndexSizes | undefined
  readonly #indexed: boolean
  readonly #multiDispatch: boolean
  readonly #lmq: boolean
  readonly #delayLevelsMs: readonly number[]

  constructor(root: string, logs: readonly string[], settings: StoreSettings, findings: Findings, options: VerifyOptions) {
    this.#root = root
    this.#logs = logs
    this.#findings = findings
    this.#options = options
    const { maxHashSlotNum, maxIndexNum } = options.settings ?? {}
    this.#indexSizes =
      maxHashSlotNum === undefined && maxIndexNum === undefined
        ? undefined
        : { slots: settings.maxHashSlotNum, entries: settings.maxIndexNum }
    this.#indexed = settings.messageIndexEnable
    this.#multiDispatch = settings.enableMultiDispatch
    this.#lmq = settings.enableLmq
    this.#delayLevelsMs = parseDelayLevels(settings.messageDelayLevel)
  }

  async run(): Promise<Verification> {
    const findings = this.#findings
    const segments = await numberedFiles(this.#root, this.#logs, 'log', 1, findings)
    const minLogOffset = segments[0]?.from ?? 0
    const total = segments.reduce((sum, { bytes }) => sum + bytes, 0)
    const checkpoint = await this.#readCheckpoint()
    const position = await PositionChecks.open(this.#root, checkpoint, findings)
    const queues = await QueueChecks.open(this.#root, findings, minLogOffset)
    const index = await IndexChecks.open(this.#root, this.#indexSizes, findings, minLogOffset)
    const walk = { end: minLogOffset }
    let records = 0
    let told = 0
    let newest = 0
    for await (const record of walkLog(segments, findings, walk)) {
      records++
      newest = Math.max(newest, this.#hold(record, queues, index))
      if (record.logOffset - minLogOffset - told < PROGRESS_BYTES) continue
      this.#options.signal?.throwIfAborted()
      told = record.logOffset - minLogOffset
      this.#options.onProgress?.(told, total)
    }
    queues.finish(walk.end)
    index.finish(walk.end)
    position.finish(walk.end)
    if (checkpoint !== undefined) this.#checkTimes(checkpoint, newest)
    this.#options.onProgress?.(total, total)
    return {
      closedProperly: !(await exists(join(this.#root, 'abort'))),
      minLogOffset,
      maxLogOffset: walk.end,
      records,
      units: queues.units,
      indexEntries: index.entries,
      findings: findings.list,
      findingCount: findings.count,
    }
  }

  /** Its units and entries. Gives its store time. */
  #hold({ bytes, at, size, logOffset }: LogRecord, queues: QueueChecks, index: IndexChecks): number {
    const transaction = transactionType(int32(bytes, at + SYS_FLAG_AT))
    const topic = topicOf(bytes, at)
    const properties = propertiesOf(bytes, at)
    const storeTimestamp = storeTimestampOf(bytes, at)
    const { TAGS: tags, DELAY: delay, UNIQ_KEY: uniqueKey, KEYS: keys } = properties
    if (transaction === 'none' || transaction === 'commit') {
      const unit: ExpectedUnit = {
        ...{ topic, queueId: int32(bytes, at + QUEUE_ID_AT), queueOffset: int64(bytes, at + QUEUE_OFFSET_AT), logOffset, size },
        storeTimestamp,
        tagCode: tagCode({ topic, tags, delay, storeTimestamp }, this.#delayLevelsMs),
        delayed: topic === SCHEDULE_TOPIC && delayLevel(delay, this.#delayLevelsMs.length) > 0,
      }
      queues.expect(unit)
      this.#holdSides(unit, properties, queues)
    }
    if (transaction !== 'rollback' && this.#indexed) {
      const hashes = uniqueKey === undefined ? [] : [indexKeyHash(topic, uniqueKey)]
      for (const key of splitKeys(keys)) hashes.push(indexKeyHash(topic, key))
      if (hashes.length > 0) index.expect(hashes, logOffset, storeTimestamp)
    }
    return storeTimestamp
  }

  /** Its units in further queues, one in each: those that are there, and where the settings have multi-dispatch those that must be. */
  #holdSides(unit: ExpectedUnit, properties: Record<string, string>, queues: QueueChecks): void {
    const seen = new Set([`${unit.topic} ${unit.queueId}`])
    for (const { topic, queueOffset } of sideQueues(properties)) {
      // Whoever names no settings has the queues that are there.
      const lmq = this.#lmq || (!queues.has(topic, unit.queueId) && queues.has(topic, 0))
      const queueId = sideQueueId(topic, unit.queueId, lmq)
      const name = `${topic} ${queueId}`
      if (seen.has(name) || !(this.#multiDispatch || queues.has(topic, queueId))) continue
      seen.add(name)
      queues.expect({ ...unit, topic, queueId, queueOffset, tagCode: BigInt(tagHash(properties.TAGS)), delayed: false })
    }
  }

  #readCheckpoint(): Promise<Checkpoint | undefined> {
    const found = (problem: string) => this.#findings.add({ part: 'checkpoint', path: CHECKPOINT, problem })
    return wholeFile(this.#root, CHECKPOINT, CHECKPOINT_BYTES, found).then((bytes) =>
      bytes === undefined ? undefined : readCheckpoint(bytes),
    )
  }

  /** It says up to which store time everything is on disk: not more than there is. */
  #checkTimes(checkpoint: Checkpoint, newest: number): void {
    for (const name of ['physicMsgTimestamp', 'logicsMsgTimestamp', 'indexMsgTimestamp'] as const)
      if (checkpoint[name] < 0 || (newest > 0 && checkpoint[name] > newest))
        this.#findings.add({
          part: 'checkpoint',
          path: CHECKPOINT,
          problem: `says that everything up to ${checkpoint[name]} is on disk (${name}); the newest record was stored at ${newest}`,
        })
  }
}

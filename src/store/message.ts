/**
 * One message as it lies in a record's bytes. Nothing is decoded before it is asked for, and most is decoded anew each time: a message costs two
 * references, and a page of them one buffer, which lives as long as any message of it.
 */
import { type InspectOptions, inspect } from 'node:util'
import { int32, int64 } from '../format/bytes.js'
import { findProperty, KEYS, type PropertyName, splitKeys, TAGS, UNIQUE_KEY, valueEnd } from '../format/properties.js'
import {
  BODY_CRC_AT,
  BORN_TIMESTAMP_AT,
  bodyOf,
  bornHostOf,
  FLAG_AT,
  LOG_OFFSET_AT,
  messageIdAt,
  preparedTransactionOffsetOf,
  propertiesAt,
  propertiesOf,
  QUEUE_ID_AT,
  QUEUE_OFFSET_AT,
  reconsumeTimesOf,
  SIZE_AT,
  SYS_FLAG_AT,
  storeHostOf,
  storeTimestampOf,
  topicOf,
} from '../format/record.js'
import { shortText } from '../format/short-text.js'
import { sideQueueId, sideQueues } from '../format/side-queues.js'
import { plainBody } from './plain-body.js'

export class Message {
  readonly #bytes: Buffer
  readonly #at: number
  #properties: Readonly<Record<string, string>> | undefined

  /** The record that begins at byte `at`. It must be a whole one, as a pull returns or `format.checkRecord` has found good. */
  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes
    this.#at = at
    this.#properties = undefined
  }

  get topic(): string {
    return topicOf(this.#bytes, this.#at)
  }

  get queueId(): number {
    return int32(this.#bytes, this.#at + QUEUE_ID_AT)
  }

  /** Number of the message in its queue; 0 for prepared and rollback records, which enter none. */
  get queueOffset(): number {
    return int64(this.#bytes, this.#at + QUEUE_OFFSET_AT)
  }

  /**
   * Number of the message in a queue that has it: its own, or a further one that it was dispatched to (INNER_MULTI_DISPATCH); undefined for any other
   * queue. A message that was pulled from a further queue has the topic, queue id and offset of its own.
   */
  queueOffsetIn(topic: string, queueId: number): number | undefined {
    if (this.queueId === queueId && this.topic === topic) return this.queueOffset
    const isThere = (lmq: boolean): boolean => sideQueueId(topic, this.queueId, lmq) === queueId
    if (!isThere(false) && !isThere(true)) return undefined
    return sideQueues(this.properties).find((side) => side.topic === topic)?.queueOffset
  }

  /** Byte in the whole log where the record starts. */
  get logOffset(): number {
    return int64(this.#bytes, this.#at + LOG_OFFSET_AT)
  }

  /** Bytes of the record. */
  get size(): number {
    return int32(this.#bytes, this.#at + SIZE_AT)
  }

  /** The application's own 32 bits. */
  get flag(): number {
    return int32(this.#bytes, this.#at + FLAG_AT)
  }

  /** RocketMQ's bits; `format` has names for them. */
  get sysFlag(): number {
    return int32(this.#bytes, this.#at + SYS_FLAG_AT)
  }

  /** The producer's clock, Unix milliseconds. */
  get bornTimestamp(): number {
    return int64(this.#bytes, this.#at + BORN_TIMESTAMP_AT)
  }

  /** `ip:port` or `[ip6]:port`. */
  get bornHost(): string {
    return bornHostOf(this.#bytes, this.#at)
  }

  /** Unix milliseconds; never goes back along the log unless the clock does. */
  get storeTimestamp(): number {
    return storeTimestampOf(this.#bytes, this.#at)
  }

  get storeHost(): string {
    return storeHostOf(this.#bytes, this.#at)
  }

  get reconsumeTimes(): number {
    return reconsumeTimesOf(this.#bytes, this.#at)
  }

  /** Log offset of the half message that a commit record ends. */
  get preparedTransactionOffset(): number {
    return preparedTransactionOffsetOf(this.#bytes, this.#at)
  }

  /** CRC-32 of the stored body, 31 bits of it. */
  get bodyCrc(): number {
    return int32(this.#bytes, this.#at + BODY_CRC_AT)
  }

  /** The body as stored, which may be compressed: a view of the page's buffer, made at each call. */
  get body(): Buffer {
    return bodyOf(this.#bytes, this.#at)
  }

  /** The body decompressed; as stored when it is not compressed. Rejects with BODY_CORRUPT or UNSUPPORTED_COMPRESSION. */
  plainBody(): Promise<Buffer> {
    return plainBody(this)
  }

  get tags(): string | undefined {
    const bytes = this.#bytes
    const end = this.#at + this.size
    const at = findProperty(bytes, propertiesAt(bytes, this.#at), end, TAGS)
    return at === -1 ? undefined : shortText(bytes, at, valueEnd(bytes, at, end))
  }

  /** The business keys; empty when there are none. */
  get keys(): string[] {
    return splitKeys(this.#property(KEYS))
  }

  /** `UNIQ_KEY`, by which RocketMQ's clients know a message. */
  get uniqueKey(): string | undefined {
    return this.#property(UNIQUE_KEY)
  }

  /** All properties, tags and keys among them: an object without a prototype. Decoded once. */
  get properties(): Readonly<Record<string, string>> {
    this.#properties ??= propertiesOf(this.#bytes, this.#at)
    return this.#properties
  }

  /** RocketMQ's offset message id: store host and log offset in upper-case hex. */
  get messageId(): string {
    return messageIdAt(this.#bytes, this.#at)
  }

  /** The record's bytes: a view of the page's buffer. */
  get raw(): Buffer {
    return this.#bytes.subarray(this.#at, this.#at + this.size)
  }

  [inspect.custom](_depth: number, options: InspectOptions): string {
    const { topic, queueId, queueOffset, logOffset, size, properties, body } = this
    return `Message ${inspect({ topic, queueId, queueOffset, logOffset, size, properties: { ...properties }, body }, options)}`
  }

  #property(name: PropertyName): string | undefined {
    const bytes = this.#bytes
    const end = this.#at + this.size
    const at = findProperty(bytes, propertiesAt(bytes, this.#at), end, name)
    return at === -1 ? undefined : bytes.toString('utf8', at, valueEnd(bytes, at, end))
  }
}

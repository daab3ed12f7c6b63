/** The readers against stores that RocketMQ wrote: every record, unit, index entry and checkpoint, compared with what RocketMQ's own API answers. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import * as format from '#src/format/index.js'
import { Message } from '#src/store/message.js'
import { firstDifference } from '../support/first-difference.js'
import { allFixtures, type FixtureName, fixture, type ManifestMessage, type ManifestQuery } from '../support/fixtures.js'
import { readExtension, readIndexFiles, readLog, readQueues } from '../support/store-files.js'

/** What ends the log, where it is not nothing. Of the torn records the rest is zeros. */
const ends: Partial<Record<FixtureName, format.RecordFound>> = {
  'torn-body-4.9': 'badLength',
  'torn-crc-4.9': 'badCrc',
  'torn-garbage-4.9': 'badMagic',
  'torn-header-4.9': 'badLength',
}

/** Stores that were not killed: all of their queues and index are on disk. */
const whole = allFixtures.filter((name) => !/^(crashed|torn|log-only|empty)/.test(name))

const delayLevels = format.parseDelayLevels(format.DEFAULT_DELAY_LEVELS)

for (const name of allFixtures) {
  t.test(name, async (t) => {
    const { dir, manifest, settings } = fixture(name)
    const log = readLog(dir)
    const messages = log.records.map(({ bytes, at }) => new Message(bytes, at))

    await t.test('the log ends where RocketMQ ends it', async (t) => {
      t.equal(log.maxOffset, manifest.log.maxOffset)
      if (log.records.length === 0) return
      t.equal(log.minOffset, manifest.log.minOffset)
      t.equal(log.end, ends[name] ?? 'end')
    })

    await t.test('every record has the fields that RocketMQ reads from it', async (t) => {
      const found = log.records.map(({ bytes, at }) => rowOf(format.readRecord(bytes, at)))
      const expected = manifest.messages.map(({ plainLength, plainSha1, ...stored }) => stored)
      t.same(firstDifference(found, expected), undefined)
    })

    await t.test('a message reads lazily what its record holds', async (t) => {
      const found = messages.map((message) => ({ ...rowOf(message), tags: message.tags, uniqueKey: message.uniqueKey, keys: message.keys }))
      const expected = manifest.messages.map(({ plainLength, plainSha1, ...stored }) => {
        const { TAGS, UNIQ_KEY, KEYS = '' } = stored.properties
        return { ...stored, tags: TAGS, uniqueKey: UNIQ_KEY, keys: KEYS.split(' ').filter((key) => key !== '') }
      })
      t.same(firstDifference(found, expected), undefined)
    })

    await t.test('bodies are what their producers sent, once decompressed', async (t) => {
      const found = await Promise.all(messages.map(async (message) => sha1(await message.plainBody())))
      const expected = manifest.messages.map(({ plainSha1, bodySha1 }) => plainSha1 ?? bodySha1)
      t.same(firstDifference(found, expected), undefined)
    })

    await t.test('queue units point where RocketMQ says, as far as they came to disk', async (t) => {
      for (const { topic, queueId, from, units } of readQueues(dir)) {
        const queue = manifest.queues.find((queue) => queue.topic === topic && queue.queueId === queueId)
        const { entries = [], minOffset = 0, maxOffset = 0 } = queue ?? {}
        const found = units.slice(minOffset - from, maxOffset - from).map(({ logOffset, size, tagCode }) => [logOffset, size, tagCode])
        const expected = entries.map(([logOffset, size, tagCode]) => [logOffset, size, tagCode])
        const onDisk = whole.includes(name) ? expected.length : found.length
        t.same(firstDifference(found, expected.slice(0, onDisk)), undefined, `${topic}/${queueId}`)
      }
    })

    await t.test("a unit's tag code follows from its record", async (t) => {
      const byOffset = new Map(messages.map((message) => [message.logOffset, message]))
      const wrong = readQueues(dir).flatMap(({ topic, units }) =>
        units.filter(({ logOffset, tagCode }) => {
          const message = byOffset.get(logOffset)
          // Behind the log's end or expired; one of several queues of the message; or in the extension.
          if (message?.topic !== topic || format.extensionOffset(tagCode) !== undefined) return false
          const { tags, storeTimestamp, properties } = message
          return tagCode !== format.tagCode({ topic, tags, delay: properties.DELAY, storeTimestamp }, delayLevels)
        }),
      )
      t.same(wrong, [])
    })

    await t.test('extension units hold what RocketMQ reads from them', async (t) => {
      for (const { topic, queueId, entries } of manifest.queues) {
        const extension = readExtension(dir, topic, queueId)
        const found = entries.map(([, , tagCode]) => {
          const offset = format.extensionOffset(tagCode)
          if (offset === undefined) return []
          const unit = format.readExtensionUnit(extension.bytes, offset - extension.from)
          return [unit?.tagCode, unit?.storeTimestamp, unit?.filterBits === undefined ? null : Buffer.from(unit.filterBits).toString('hex')]
        })
        const expected = entries.map(([, , , ...extension]) => extension)
        t.same(firstDifference<unknown>(found, expected), undefined, `${topic}/${queueId}`)
      }
    })

    await t.test('the checkpoint holds what RocketMQ reads from it', async (t) => {
      const path = join(dir, 'checkpoint')
      t.equal(existsSync(path), manifest.checkpoint !== undefined)
      if (manifest.checkpoint !== undefined) t.match(format.readCheckpoint(readFileSync(path)), manifest.checkpoint)
    })

    if (!whole.includes(name)) return
    const sizes = { slots: settings.maxHashSlotNum ?? 0, entries: settings.maxIndexNum ?? 0 }
    const indexFiles = readIndexFiles(dir)

    await t.test('index headers are those that RocketMQ reads', async (t) => {
      const headers = indexFiles.map(({ name, bytes }) => {
        const { beginLogOffset, endLogOffset, slotCount, nextEntry, ...times } = format.readIndexHeader(bytes)
        return {
          name,
          ...times,
          beginPhyOffset: beginLogOffset,
          endPhyOffset: endLogOffset,
          hashSlotCount: slotCount,
          indexCount: nextEntry,
        }
      })
      t.same(headers, manifest.indexFiles)
    })

    await t.test('the length of an index file tells its sizes', async (t) => {
      for (const { bytes } of indexFiles) t.equal(format.indexFileBytes(sizes), bytes.length)
    })

    await t.test('index chains answer as RocketMQ does', async (t) => {
      const found = manifest.queries.map((query) => {
        const offsets = queryIndex(
          indexFiles.map(({ bytes }) => bytes),
          sizes,
          query,
        )
        return offsets.filter((logOffset) => logOffset >= log.minOffset)
      })
      const expected = manifest.queries.map(({ logOffsets }) => logOffsets)
      t.same(firstDifference<readonly number[]>(found, expected), undefined)
    })
  })
}

const sha1 = (bytes: Uint8Array) => createHash('sha1').update(bytes).digest('hex')

/** The fields of a manifest's message, as they are stored. */
function rowOf(record: format.StoredRecord | Message): Omit<ManifestMessage, 'plainLength' | 'plainSha1'> {
  const { topic, queueId, queueOffset, logOffset, sysFlag, flag, bodyCrc, bornTimestamp, bornHost, storeTimestamp, storeHost } = record
  const { reconsumeTimes, preparedTransactionOffset, properties } = record
  return {
    ...{ topic, queueId, queueOffset, logOffset, sysFlag, flag, bodyCrc, bornTimestamp, bornHost, storeTimestamp, storeHost },
    ...{ reconsumeTimes, preparedTransactionOffset, properties: { ...properties } },
    storeSize: record.size,
    bodyLength: record.body.length,
    bodySha1: sha1(record.body),
    offsetMsgId: record.messageId,
  }
}

/** RocketMQ's query: the newest file first, its limits, its whole seconds. */
function queryIndex(files: readonly Buffer[], sizes: format.IndexSizes, { topic, key, maxNum, begin, end }: ManifestQuery): number[] {
  const found: number[] = []
  const keyHash = format.indexKeyHash(topic, key)
  for (const bytes of files.toReversed()) {
    const { beginTimestamp, endTimestamp } = format.readIndexHeader(bytes)
    if (begin <= endTimestamp && end >= beginTimestamp) {
      for (const { logOffset, seconds } of format.indexChain(bytes, sizes, keyHash)) {
        const time = beginTimestamp + seconds * 1000
        if (time >= begin && time <= end && found.length < maxNum) found.push(logOffset)
      }
    }
    if (beginTimestamp < begin || found.length >= maxNum) break
  }
  return found.sort((a, b) => a - b)
}

/** What the core writes is, byte for byte, what the description of the formats says, and what src/format reads: the one writer and the one reader agree. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { hostText, indexKeyHash, javaHash, readRecord } from '#src/format/index.js'
import { binding } from '#src/native/binding.js'
import { collect, openNew, small } from '../store/stores.js'
import { anyRecord, anyText, encodeBlank, encodeRecord, encodeUnit } from '../support/layouts.js'

/** Of the flags, what may keep a record out of its queue. */
const TRANSACTION_TYPE = 0xc

t.test('checksums and hashes are the same on both sides', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) =>
      [binding.crc32(bytes), binding.crc32(bytes, true)].every((sum) => sum === crc32(bytes)),
    ),
  )
  fc.assert(fc.property(anyText(), (tag) => binding.tagHash(tag) === javaHash(tag)))
  fc.assert(fc.property(anyText(), anyText(), (topic, key) => binding.indexHash(topic, key) === indexKeyHash(topic, key)))
})

t.test('a record and its queue unit are those of the description, byte for byte', async (t) => {
  const store = await openNew(t, { settings: { ...small, mappedFileSizeCommitLog: 4 << 20 } })
  const records = fc.sample(anyRecord, 300).map(({ sysFlag, ...fields }) => ({
    ...fields,
    version: 1 as const,
    queueId: fields.queueId & 3,
    sysFlag: sysFlag & ~TRANSACTION_TYPE,
  }))
  const results = await store.appendBatch(
    records.map(({ bornHost, storeHost, properties, ...fields }) => {
      const { TAGS: _, KEYS: __, ...others } = properties
      const host = (bytes: Uint8Array): string => hostText(Buffer.from(bytes), 0, bytes.length)
      return { ...fields, properties: others, bornHost: host(bornHost), storeHost: host(storeHost) }
    }),
  )
  const written = await collect(store.records())
  for (const [i, { raw }] of written.entries()) {
    const fields = records[i] as (typeof records)[number]
    const { logOffset, queueOffset, size, storeTimestamp, messageId } = results[i] as (typeof results)[number]
    const expected = encodeRecord({ ...fields, logOffset, queueOffset, storeTimestamp })
    if (!raw.equals(expected)) t.same(raw.toString('hex'), expected.toString('hex'), `record ${i}`)
    if (readRecord(raw).messageId !== messageId) t.fail(`message id ${messageId}`)
    const unit = store.consumeQueue(fields.topic, fields.queueId).unit(queueOffset)
    t.same(unit && encodeUnit(unit), encodeUnit({ logOffset, size, tagCode: 0n }), `unit ${i}`)
  }
  t.equal(written.length, records.length)
})

t.test('what is left of a segment is a blank record, byte for byte', async (t) => {
  const store = await openNew(t, { settings: small })
  const segmentBytes = small.mappedFileSizeCommitLog
  const results = await store.appendBatch(Array.from({ length: 150 }, (_, i) => ({ topic: 'orders', body: Buffer.alloc(1000 + i, 1) })))
  await store.close()
  let blanks = 0
  for (const [i, { logOffset, size }] of results.entries()) {
    const next = results[i + 1]?.logOffset ?? 0
    if (next <= logOffset + size) continue
    const segment = await readFile(join(store.directory, 'commitlog', `${next - segmentBytes}`.padStart(20, '0')))
    const left = next - logOffset - size
    t.same(segment.subarray(segmentBytes - left), encodeBlank(left))
    blanks++
  }
  t.ok(blanks >= 2)
})

import fc from 'fast-check'
import t from 'tap'
import * as format from '#src/format/index.js'
import { anyOffset, encodeIndexFile, type IndexPut } from '../support/layouts.js'

const chain = (...args: Parameters<typeof format.indexChain>) => [...format.indexChain(...args)]

t.test('keys hash as in RocketMQ, and never below zero', async (t) => {
  t.equal(format.indexKeyHash('TopicTest', 'k1'), 2746024)
  t.equal(format.indexKeyHash('TopicTest', '0A000001000018B4AAC2000000000001'), 483666979)
  fc.assert(fc.property(fc.string(), fc.string(), (topic, key) => format.indexKeyHash(topic, key) >= 0))
})

t.test('the one hash without an absolute value becomes 0', async (t) => {
  t.equal(format.javaHash('TopicTest#DV[XZAX'), -2147483648)
  t.equal(format.indexKeyHash('TopicTest', 'DV[XZAX'), 0)
})

t.test('every put of a key is found by its chain, the newest first', async () => {
  const put = fc.record({ keyHash: fc.nat({ max: 20 }), logOffset: anyOffset, storeTimestamp: fc.nat({ max: 1e9 }) })
  fc.assert(
    fc.property(fc.array(put, { maxLength: 39 }), fc.integer({ min: 1, max: 10 }), (puts, slots) => {
      puts.sort((a, b) => a.storeTimestamp - b.storeTimestamp)
      const file = encodeIndexFile(slots, 40, puts)
      const begin = puts[0]?.storeTimestamp ?? 0
      for (let keyHash = 0; keyHash <= 20; keyHash++) {
        const found = chain(file, { slots, entries: 40 }, keyHash).map(({ logOffset, seconds }) => `${logOffset}+${seconds}`)
        const expected = puts.filter((put) => put.keyHash === keyHash).toReversed()
        if (found.join() !== expected.map((put) => `${put.logOffset}+${Math.floor((put.storeTimestamp - begin) / 1000)}`).join())
          return false
      }
      return true
    }),
  )
})

t.test('the header of a file tells its times, offsets and counts', async (t) => {
  const puts: IndexPut[] = [1, 11, 2].map((keyHash, i) => ({ keyHash, logOffset: 100 * i, storeTimestamp: 5000 + i }))
  const expected = { beginTimestamp: 5000, endTimestamp: 5002, beginLogOffset: 0, endLogOffset: 200, slotCount: 2, nextEntry: 4 }
  t.same(format.readIndexHeader(encodeIndexFile(10, 40, puts)), expected)
  t.equal(format.readIndexHeader(Buffer.alloc(40)).nextEntry, 1, 'a file of zeros is empty')
})

t.test('header and entries are those of RocketMQ', async (t) => {
  const header = Buffer.from('000001a20530ccb7000001a20530cce70000000000000000000000000000290a0000000a00000028', 'hex')
  const expected = {
    beginTimestamp: 1795383413943,
    endTimestamp: 1795383413991,
    beginLogOffset: 0,
    endLogOffset: 10506,
    slotCount: 10,
    nextEntry: 40,
  }
  t.same(format.readIndexHeader(header), expected)
  const file = Buffer.concat([header, Buffer.alloc(4 * 10 + 20), Buffer.from('1cd42c2300000000000000000000000000000000', 'hex')])
  t.same(format.readIndexEntry(file, { slots: 10, entries: 40 }, 1), { keyHash: 483666979, logOffset: 0, seconds: 0, previous: 0 })
})

t.test('a damaged chain ends', async (t) => {
  const sizes = { slots: 1, entries: 10 }
  const puts: IndexPut[] = [0, 1, 2, 3].map((n) => ({ keyHash: 5, logOffset: n, storeTimestamp: 0 }))
  const entry = (n: number) => 40 + 4 + 20 * n
  for (const previous of [3, 4, 9, 1000, -1]) {
    const file = encodeIndexFile(1, 10, puts)
    file.writeInt32BE(previous, entry(3) + 16)
    t.same(
      chain(file, sizes, 5).map(({ logOffset }) => logOffset),
      [3, 2],
      `from entry 3 to ${previous}`,
    )
  }
  for (const first of [5, 1000, -1]) {
    const file = encodeIndexFile(1, 10, puts)
    file.writeInt32BE(first, 40)
    t.same(chain(file, sizes, 5), [], `from the slot to ${first}`)
  }
})

t.test('sizes follow from a length when a slot has four entries', async (t) => {
  t.same(format.indexSizesFromLength(420_000_040), { slots: 5_000_000, entries: 20_000_000 })
  for (const length of [0, 40, 123, 125, -44]) t.equal(format.indexSizesFromLength(length), undefined)
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e7 }), (slots) => {
      const sizes = { slots, entries: 4 * slots }
      return format.indexSizesFromLength(format.indexFileBytes(sizes))?.slots === slots
    }),
  )
})

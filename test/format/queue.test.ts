/** Queue units, extension units, checkpoint. */
import fc from 'fast-check'
import t from 'tap'
import * as format from '#src/format/index.js'
import { anyInt32, anyOffset, encodeCheckpoint, encodeExtensionUnit, encodeUnit } from '../support/layouts.js'

const anyInt64 = fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n })

t.test('units that were written are read', async () => {
  const unit = fc.record({ logOffset: anyOffset, size: anyInt32, tagCode: anyInt64 })
  fc.assert(
    fc.property(unit, fc.nat({ max: 50 }), (unit, before) => {
      const found = format.readQueueUnit(Buffer.concat([Buffer.alloc(before), encodeUnit(unit)]), before)
      return found.logOffset === unit.logOffset && found.size === unit.size && found.tagCode === unit.tagCode
    }),
  )
})

t.test('units are those of RocketMQ', async (t) => {
  const units = {
    '0000000000000000000000a7000000000027a807': { logOffset: 0, size: 167, tagCode: 2598919n },
    '0000000000000134000000b1ffffffff80000000': { logOffset: 308, size: 177, tagCode: -2147483648n },
  }
  for (const [hex, unit] of Object.entries(units)) t.same(format.readQueueUnit(Buffer.from(hex, 'hex')), unit)
})

t.test('a queue ends before the first unit that was not written', async (t) => {
  const unit = { logOffset: 0, size: 91, tagCode: 0n }
  t.ok(format.isWritten(unit))
  t.notOk(format.isWritten({ ...unit, size: 0 }))
  t.notOk(format.isWritten({ ...unit, logOffset: -1 }))
  t.notOk(format.isFiller(unit))
  t.ok(format.isFiller({ logOffset: 0, size: 0x7fffffff, tagCode: 0n }))
})

t.test('an extension’s address is below every hash and time', async (t) => {
  t.equal(format.extensionOffset(-0x8000000000000000n), 0)
  t.equal(format.extensionOffset(-0x8000000000000000n + 34n), 34)
  t.equal(format.extensionOffset(-2147483649n), Number((1n << 63n) - (1n << 31n) - 1n))
  for (const code of [-2147483648n, -1n, 0n, 2147483647n, 1795383414973n]) t.equal(format.extensionOffset(code), undefined)
})

t.test('extension units that were written are read', async () => {
  fc.assert(
    fc.property(anyInt64, anyOffset, fc.uint8Array({ maxLength: 40 }), fc.nat({ max: 50 }), (tagCode, storeTimestamp, bits, before) => {
      const bytes = Buffer.concat([Buffer.alloc(before), encodeExtensionUnit(tagCode, storeTimestamp, bits)])
      const unit = format.readExtensionUnit(bytes, before)
      const sameBits = bits.length === 0 ? unit?.filterBits === undefined : unit?.filterBits && Buffer.from(bits).equals(unit.filterBits)
      return unit?.size === bytes.length - before && unit.tagCode === tagCode && unit.storeTimestamp === storeTimestamp && sameBits === true
    }),
  )
})

t.test('an extension’s units end at the end mark, at zeros, at a cut and at what is none', async (t) => {
  const unit = Buffer.from('0014000000000027a807000001a20531e8180000', 'hex')
  t.same(format.readExtensionUnit(unit), { size: 20, tagCode: 2598919n, storeTimestamp: 1795383486488, filterBits: undefined })
  const changed = (at: number, value: number) => {
    const bytes = Buffer.from(unit)
    bytes.writeInt16BE(value, at)
    return bytes
  }
  const ends = [
    changed(0, -1),
    changed(0, 0),
    changed(0, 19),
    changed(0, 21),
    changed(18, 1),
    changed(18, -1),
    unit.subarray(0, 19),
    Buffer.alloc(0),
  ]
  const cut = encodeExtensionUnit(1n, 1, Buffer.alloc(4)).subarray(0, 23)
  for (const bytes of [...ends, cut]) t.equal(format.readExtensionUnit(bytes), undefined)
})

t.test('a checkpoint that was written is read', async () => {
  fc.assert(
    fc.property(fc.array(anyOffset, { minLength: 5, maxLength: 5 }), (times) => {
      const { physicMsgTimestamp, logicsMsgTimestamp, indexMsgTimestamp, masterFlushedOffset, confirmPhyOffset } = format.readCheckpoint(
        encodeCheckpoint(times),
      )
      return [physicMsgTimestamp, logicsMsgTimestamp, indexMsgTimestamp, masterFlushedOffset, confirmPhyOffset].every(
        (time, i) => time === times[i],
      )
    }),
  )
})

t.test('recovery begins three seconds before the earlier time, and never before the index needs it', async (t) => {
  const checkpoint = format.readCheckpoint(encodeCheckpoint([10_000, 20_000, 8000, 0, 0]))
  t.equal(format.minTimestamp(checkpoint), 7000)
  t.equal(format.minTimestampWithIndex(checkpoint), 7000)
  t.equal(format.minTimestampWithIndex({ ...checkpoint, indexMsgTimestamp: 6000 }), 6000)
  t.equal(format.minTimestamp({ ...checkpoint, physicMsgTimestamp: 0 }), 0)
})

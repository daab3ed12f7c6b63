/** Integers, checksums, names and small codecs. */
import fc from 'fast-check'
import t from 'tap'
import * as format from '#src/format/index.js'

t.test('integers read as Buffer reads them, wherever they lie', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 8, maxLength: 40 }), fc.nat({ max: 32 }), (array, place) => {
      const bytes = Buffer.from(array)
      const at = Math.min(place, bytes.length - 8)
      const wide = bytes.readBigInt64BE(at)
      return (
        format.int16(bytes, at) === bytes.readInt16BE(at) &&
        format.int32(bytes, at) === bytes.readInt32BE(at) &&
        format.bigInt64(bytes, at) === wide &&
        format.int64(bytes, at) === Number(wide)
      )
    }),
  )
})

t.test('a body’s CRC is that of zlib without its highest bit', async (t) => {
  t.equal(format.bodyCrc(Buffer.from('hello')), 0x3610a686)
  t.equal(format.bodyCrc(Buffer.from('123456789')), 0x4bf43926)
  t.equal(format.bodyCrc(Buffer.alloc(0)), 0)
})

t.test('a file name is its offset in 20 digits', async (t) => {
  t.equal(format.fileName(0), '00000000000000000000')
  t.equal(format.fileName(1073741824), '00000000001073741824')
  fc.assert(fc.property(fc.maxSafeNat(), (offset) => format.parseFileName(format.fileName(offset)) === offset))
})

t.test('a name that no store gives its files has no offset', async (t) => {
  const names = ['', '0', 'lock', '0000000000000000000', '000000000000000000000', '0000000000000000000a', '-0000000000000000001']
  for (const name of [...names, '99999999999999999999', '00000000000000000000.tmp', '００００００００００００００００００００'])
    t.equal(format.parseFileName(name), undefined, name)
})

t.test('Java’s hash of a string', async (t) => {
  const hashes = { '': 0, d: 100, TagA: 2598919, TagB: 2598920, 'a||b': 3012833, 你好: 652829, polygenelubricants: -2147483648 }
  for (const [text, hash] of Object.entries(hashes)) t.equal(format.javaHash(text), hash, text)
  t.equal(format.javaHash('Aa'), format.javaHash('BB'))
})

t.test('Java’s hash runs over UTF-16 and wraps at 32 bits', async () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      let hash = 0n
      for (let i = 0; i < text.length; i++) hash = 31n * hash + BigInt(text.charCodeAt(i))
      return format.javaHash(text) === Number(BigInt.asIntN(32, hash))
    }),
  )
})

t.test('sysFlag names the transaction and the compression', async (t) => {
  t.same([0, 4, 8, 12, 0xf3].map(format.transactionType), ['none', 'prepared', 'commit', 'rollback', 'none'])
  t.same([0, 0x700, 1, 0x101, 0x201, 0x301, 0x401, 0x701].map(format.compressionType), [
    undefined,
    undefined,
    'zlib',
    'lz4',
    'zstd',
    'zlib',
    4,
    7,
  ])
})

t.test('short texts are decoded as long ones are, known before or not', async () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), fc.nat({ max: 9 }), (text, before) => {
      const bytes = Buffer.concat([Buffer.alloc(before, 7), Buffer.from(text), Buffer.alloc(3, 7)])
      const end = bytes.length - 3
      const expected = bytes.toString('utf8', before, end)
      return format.shortText(bytes, before, end) === expected && format.shortText(bytes, before, end) === expected
    }),
  )
})

t.test('malformed UTF-8 becomes U+FFFD each time', async (t) => {
  const bytes = Buffer.from([0x61, 0xff, 0x62])
  for (const _ of [1, 2]) t.equal(format.shortText(bytes, 0, 3), 'a\ufffdb')
})

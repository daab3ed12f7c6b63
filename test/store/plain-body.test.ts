import { randomBytes } from 'node:crypto'
import { deflateSync } from 'node:zlib'
import { compressFrameSync } from 'lz4-napi'
import t from 'tap'
import { StoreError } from '#src/errors.js'
import { plainBody } from '#src/store/plain-body.js'

/** A Zstandard frame of one block that is not compressed: enough for short bodies. */
function zstdFrame(body: Buffer): Buffer {
  const block = (body.length << 3) | 1
  return Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x20, body.length, block & 0xff, block >> 8, 0]), body])
}

const codecs: Record<string, { sysFlag: number; compress: (body: Buffer) => Buffer }> = {
  zlib: { sysFlag: 0x301, compress: deflateSync },
  'zlib of producers that do not say so': { sysFlag: 0x001, compress: deflateSync },
  lz4: { sysFlag: 0x101, compress: (body) => compressFrameSync(body) },
  zstd: { sysFlag: 0x201, compress: zstdFrame },
}

const refusal = (body: Buffer, sysFlag: number) =>
  plainBody({ body, sysFlag, logOffset: 4711 }).then(
    () => undefined,
    (error: unknown) => (error instanceof StoreError ? error : undefined),
  )

for (const [name, { sysFlag, compress }] of Object.entries(codecs)) {
  t.test(`${name}: a body comes back`, async (t) => {
    for (const body of [Buffer.from('hello'), Buffer.alloc(200), randomBytes(255)]) {
      const plain = await plainBody({ body: compress(body), sysFlag, logOffset: 0 })
      t.ok(Buffer.isBuffer(plain) && plain.equals(body))
    }
  })

  t.test(`${name}: what does not decompress is BODY_CORRUPT and says where it lies`, async (t) => {
    const whole = compress(randomBytes(200))
    for (const body of [Buffer.from('no such stream at all'), whole.subarray(0, whole.length - 100), Buffer.alloc(0)]) {
      const error = await refusal(body, sysFlag)
      t.equal(error?.code, 'BODY_CORRUPT')
      t.equal(error?.logOffset, 4711)
      t.ok(error?.cause)
    }
  })
}

t.test('a body that is not compressed comes back as it is', async (t) => {
  const body = Buffer.from('plain')
  t.equal(await plainBody({ body, sysFlag: 0x700, logOffset: 0 }), body)
})

t.test('a compression without a meaning is UNSUPPORTED_COMPRESSION', async (t) => {
  for (const sysFlag of [0x401, 0x501, 0x601, 0x701]) t.equal((await refusal(Buffer.from('x'), sysFlag))?.code, 'UNSUPPORTED_COMPRESSION')
})

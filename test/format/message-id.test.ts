import fc from 'fast-check'
import t from 'tap'
import { decodeMessageId, encodeMessageId, parseHost } from '#src/format/index.js'
import { anyHost } from '../support/layouts.js'

t.test('ids lead back to host and offset', async () => {
  fc.assert(
    fc.property(anyHost, fc.maxSafeNat(), ({ address, port }, logOffset) => {
      const id = encodeMessageId({ storeHost: { address, port }, logOffset })
      const place = decodeMessageId(id)
      return (
        id.length === (address.length === 4 ? 32 : 56) &&
        place?.logOffset === logOffset &&
        place.storeHost.port === port &&
        Buffer.from(address).equals(place.storeHost.address)
      )
    }),
  )
})

t.test('ids are those of RocketMQ', async (t) => {
  const ids = {
    '7F00000100002A9F00000000000000A7': ['127.0.0.1:10911', 167],
    '20010DB800000000000000000000000200002A9F0000000000000292': ['[2001:db8::2]:10911', 658],
  } as const
  for (const [id, [host, logOffset]] of Object.entries(ids)) {
    const storeHost = parseHost(host)
    t.same(decodeMessageId(id), { storeHost, logOffset })
    t.same(decodeMessageId(id.toLowerCase()), { storeHost, logOffset })
    if (storeHost !== undefined) t.equal(encodeMessageId({ storeHost, logOffset }), id)
  }
})

t.test('what is no offset message id is none', async (t) => {
  const id = '7F00000100002A9F00000000000000A7'
  const unique = '7F0000010D0D89A9816128052B2AE2CB'
  t.equal(decodeMessageId(unique), undefined, 'an offset above 2^53')
  const negative = `7F00000100002A9F${'F'.repeat(16)}`
  for (const text of [
    '',
    id.slice(1),
    `${id}0`,
    `${id}00`,
    `${id.slice(0, 31)}G`,
    `0x${id.slice(2)}`,
    ` ${id.slice(1)}`,
    negative,
    'é'.repeat(16),
  ])
    t.equal(decodeMessageId(text), undefined, text)
})

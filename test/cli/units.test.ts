import t from 'tap'
import { amount, bytes, span } from '#src/cli/units.js'

t.test('amounts as people read them', async (t) => {
  t.same(
    [amount(0, 'queue'), amount(1, 'queue'), amount(1234, 'index entry', 'index entries')],
    ['0 queues', '1 queue', '1,234 index entries'],
  )
  t.same([0, 1023, 1024, 150 << 10, 3 << 20, 2 ** 40, 2 ** 55].map(bytes), [
    '0 B',
    '1023 B',
    '1.0 KiB',
    '150 KiB',
    '3.0 MiB',
    '1.0 TiB',
    '32768 TiB',
  ])
  t.same([-5, 12, 1000, 61_000, 3_600_000, 90_061_000].map(span), ['0 ms', '12 ms', '1 s', '1 min 1 s', '1 h', '1 d 1 h'])
})

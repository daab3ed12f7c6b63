import { isIPv6 } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import { hostBytes, hostText, parseHost } from '#src/format/index.js'
import { anyHost } from '../support/layouts.js'

t.test('bytes become text and text the same bytes', async () => {
  fc.assert(
    fc.property(anyHost, fc.nat({ max: 9 }), ({ address, port, bytes }, before) => {
      const text = hostText(Buffer.concat([Buffer.alloc(before), bytes]), before, bytes.length)
      const host = parseHost(text)
      return host !== undefined && host.port === port && Buffer.from(address).equals(host.address) && bytes.equals(hostBytes(host))
    }),
  )
})

t.test('every form of an IPv6 address is read', async () => {
  const address = fc.ipV6().filter(isIPv6)
  fc.assert(
    fc.property(address, (text) => {
      const host = parseHost(`[${text}]:1`)
      // The URL parser knows all forms, and writes each in its shortest.
      return host !== undefined && new URL(`http://${hostText(hostBytes(host), 0, 20)}/`).hostname === new URL(`http://[${text}]/`).hostname
    }),
  )
})

t.test('hosts are written as RocketMQ writes them', async (t) => {
  const forms = {
    '127.0.0.1:10911': '127.0.0.1:10911',
    '255.255.255.255:65535': '255.255.255.255:65535',
    '[2001:db8::1]:54321': '[2001:db8:0:0:0:0:0:1]:54321',
    '[::]:0': '[0:0:0:0:0:0:0:0]:0',
    '[::FFFF:10.1.2.3]:1': '[0:0:0:0:0:ffff:a01:203]:1',
    '[1:2:3:4:5:6:7::]:80': '[1:2:3:4:5:6:7:0]:80',
  }
  for (const [text, written] of Object.entries(forms)) {
    const host = parseHost(text)
    t.equal(host && hostText(hostBytes(host), 0, hostBytes(host).length), written)
  }
})

t.test('what is no host is none', async (t) => {
  const texts = [
    '',
    'localhost:1',
    '127.0.0.1',
    '127.0.0.1:',
    '127.0.0.1:65536',
    '127.0.0.1:-1',
    '127.0.0.1:1 ',
    '127.0.0:1',
    '1.2.3.256:1',
  ]
  const v6 = ['::1:80', '[::1]', '[::1]:65536', '[::1%lo]:1', '[1:2]:1', '[::1', '[]:1', '[127.0.0.1]:1', '[::1]]:1', '[1::2::3]:1']
  for (const text of [...texts, ...v6]) t.equal(parseHost(text), undefined, text)
})

t.test('a port that no socket has is shown as it lies', async (t) => {
  t.equal(hostText(Buffer.from('0a000001ffffffff', 'hex'), 0, 8), '10.0.0.1:-1')
})

import fc from 'fast-check'
import t from 'tap'
import { findProperty, KEYS, readProperties, splitKeys, TAGS, UNIQUE_KEY, valueEnd } from '#src/format/index.js'
import { anyProperties, anyText, encodeProperties } from '../support/layouts.js'

/** A small language: `=` for 0x01, `;` for 0x02. */
const encoded = (text: string) => text.replaceAll('=', '\u0001').replaceAll(';', '\u0002')
const read = (text: string) => ({ ...readProperties(encoded(text)) })

function find(text: string, name: Uint8Array): string | undefined {
  const before = Buffer.from('TAGS\u0001before\u0002')
  const bytes = Buffer.concat([before, Buffer.from(text), Buffer.from('\u0002TAGS\u0001behind')])
  const end = before.length + Buffer.byteLength(text)
  const at = findProperty(bytes, before.length, end, name)
  return at === -1 ? undefined : bytes.toString('utf8', at, valueEnd(bytes, at, end))
}

t.test('properties that were written are read', async () => {
  fc.assert(fc.property(anyProperties, (properties) => isSame(readProperties(encodeProperties(properties)), properties)))
})

t.test('the last separator may be there, as RocketMQ 4.9.0 wrote it', async (t) => {
  t.same(read('KEYS=k;TAGS=a;'), { KEYS: 'k', TAGS: 'a' })
  t.same(read('KEYS=k;TAGS=a'), { KEYS: 'k', TAGS: 'a' })
})

t.test('pieces without a name or a value are passed over', async (t) => {
  t.same(read(''), {})
  t.same(read(';;=;a;a=;=b;c=d;e'), { c: 'd' })
})

t.test('a value may hold the separator of names', async (t) => {
  t.same(read('a=b=c;TAGS=x=y'), { a: 'b=c'.replace('=', '\u0001'), TAGS: 'x\u0001y' })
})

t.test('of two equal names the later one counts', async (t) => {
  t.same(read('TAGS=a;TAGS=b;TAGS='), { TAGS: 'b' })
})

t.test('names of an object’s own parts are properties like others', async (t) => {
  const properties = readProperties(encoded('__proto__=a;constructor=b'))
  t.equal(properties.constructor, 'b')
  t.equal(Object.getPrototypeOf(properties), null)
  t.same(Object.keys(properties), ['__proto__', 'constructor'])
})

t.test('finding one property gives what reading all gives', async () => {
  const piece = fc.oneof(
    fc
      .tuple(fc.constantFrom('TAGS', 'KEYS', 'UNIQ_KEY', 'TAG', 'TAGSS', 'xTAGS', ''), anyText({ maxLength: 6 }))
      .map(([name, value]) => `${name}\u0001${value}`),
    fc.constantFrom('', 'TAGS', '\u0001', 'TAGS\u0001a\u0001b'),
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      const text = pieces.join('\u0002')
      const all = readProperties(text)
      return find(text, TAGS) === all.TAGS && find(text, KEYS) === all.KEYS && find(text, UNIQUE_KEY) === all.UNIQ_KEY
    }),
  )
})

t.test('keys are split at single spaces, empty ones left out', async (t) => {
  t.same(splitKeys(undefined), [])
  t.same(splitKeys('k1'), ['k1'])
  t.same(splitKeys(' k1  k2 k1 '), ['k1', 'k2', 'k1'])
})

function isSame(found: Record<string, string>, expected: Record<string, string>): boolean {
  const names = Object.keys(expected)
  return Object.keys(found).length === names.length && names.every((name) => found[name] === expected[name])
}

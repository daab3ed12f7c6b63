import fc from 'fast-check'
import t from 'tap'
import { StoreError } from '#src/errors.js'
import { javaHash } from '#src/format/index.js'
import { TagFilter } from '#src/store/tag-filter.js'

t.test('an expression is tags between ||, without the spaces around them', async (t) => {
  const expressions: Record<string, string[]> = {
    paid: ['paid'],
    'paid || refunded': ['paid', 'refunded'],
    'paid||refunded': ['paid', 'refunded'],
    '  paid  ||||  || paid\t|| a b ': ['paid', 'a b'],
    'a|b': ['a|b'],
    '* || a': ['*', 'a'],
    '\u00a0a': ['\u00a0a'],
  }
  for (const [expression, tags] of Object.entries(expressions)) {
    const filter = new TagFilter(expression)
    t.same(filter.tags, tags, expression)
    t.same([...filter.codes], tags.map(javaHash))
    t.equal(filter.all, false)
  }
})

t.test('*, the empty string, null and nothing match everything', async (t) => {
  for (const expression of ['*', '', null, undefined]) {
    const filter = new TagFilter(expression)
    t.same([filter.all, filter.expression, filter.tags, filter.codes.length], [true, '*', [], 0])
    t.ok(filter.matchesTagCode(0n) && filter.matchesTagCode(-5n))
    t.ok(filter.matchesMessage({ tags: undefined }) && filter.matchesMessage({ tags: 'x' }))
  }
})

t.test('an expression that names no tag, or is none, is refused', async (t) => {
  for (const expression of ['||', ' ', ' || || ', 5, {}]) {
    try {
      new TagFilter(expression as string)
      t.fail(String(expression))
    } catch (error) {
      t.ok(error instanceof StoreError && error.code === 'INVALID_ARGUMENT')
      t.match(error, { what: 'tags', value: expression })
    }
  }
})

t.test('the code decides by its low 32 bits', async (t) => {
  const filter = new TagFilter('TagA || polygenelubricants')
  for (const code of [2598919n, -2147483648n, 2598919n + (5n << 32n), 2598919n - (1n << 32n)])
    t.ok(filter.matchesTagCode(code), String(code))
  for (const code of [0n, 2598920n, -2598919n, 2147483647n, 1795383414973n]) t.notOk(filter.matchesTagCode(code), String(code))
})

t.test('the address of an extension unit says nothing of the tag: the record decides', async (t) => {
  const filter = new TagFilter('TagA')
  t.ok(filter.matchesTagCode(-(1n << 63n)))
  t.ok(filter.matchesTagCode(-2147483649n))
  t.notOk(filter.matchesTagCode(-2147483648n))
})

t.test('of two tags with one hash only the named one matches', async (t) => {
  const filter = new TagFilter('Aa')
  t.ok(filter.matchesTagCode(BigInt(javaHash('BB'))))
  t.ok(filter.matchesMessage({ tags: 'Aa' }))
  t.notOk(filter.matchesMessage({ tags: 'BB' }))
  t.notOk(filter.matchesMessage({ tags: undefined }))
})

t.test('a tag that is named passes both questions, any other at most the first', async () => {
  const tag = fc
    .string({ unit: fc.constantFrom('a', 'B', '|', 'ß', '你', '🦀'), minLength: 1, maxLength: 5 })
    .filter((tag) => !/\|\||^\||\|$/.test(tag))
  fc.assert(
    fc.property(fc.array(tag, { minLength: 1, maxLength: 5 }), tag, (tags, other) => {
      const filter = new TagFilter(tags.join(' || '))
      return (
        tags.every((tags) => filter.matchesTagCode(BigInt(javaHash(tags))) && filter.matchesMessage({ tags })) &&
        filter.matchesMessage({ tags: other }) === tags.includes(other)
      )
    }),
  )
})

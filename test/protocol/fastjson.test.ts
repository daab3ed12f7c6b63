/** fastjson's dialect: what RocketMQ's bodies have beyond JSON, and what nobody's body has. */
import t from 'tap'
import { parseFastjson, quote, writeFastjson } from '#src/protocol/fastjson.js'

t.test('keys that are numbers, objects, and names without quotes', async (t) => {
  t.same(
    parseFastjson('{0:"10.0.0.1:10911",1:"10.0.0.2:10911"}'),
    new Map([
      [0, '10.0.0.1:10911'],
      [1, '10.0.0.2:10911'],
    ]),
  )
  t.same(parseFastjson('{"offsetTable":{{"brokerName":"b","queueId":0,"topic":"T"}:{"maxOffset":1,"minOffset":0}}}'), {
    offsetTable: new Map([
      [
        { brokerName: 'b', queueId: 0, topic: 'T' },
        { maxOffset: 1, minOffset: 0 },
      ],
    ]),
  })
  t.same(parseFastjson(`{ a : 'it''s' /* no */ }`.replace("''", "\\'")), { a: "it's" })
  t.same(parseFastjson('{a:1,/* two */b:[true,false,null,],}// end'), { a: 1, b: [true, false, null] })
})

t.test('integers beyond 2^53 keep all their digits', async (t) => {
  t.same(parseFastjson('{"endTimestamp":9223372036854775807,"x":1e3,"y":-0.5}'), { endTimestamp: 9223372036854775807n, x: 1000, y: -0.5 })
  t.equal(writeFastjson({ endTimestamp: 9223372036854775807n }), '{"endTimestamp":9223372036854775807}')
})

t.test('what can be no body is refused with what is wrong and where', async (t) => {
  for (const [text, problem] of [
    ['', /ends too early/],
    ['{"a":1', /ends too early/],
    ['{"a" 1}', /"1" at 5/],
    ['{"a":1 "b":2}', /at 7/],
    ['[1 2]', /at 3/],
    ['{"a":b}', /"b" at 5/],
    ['{"a":"b', /does not end/],
    ['{} x', /"x" at 3/],
    ['{"a":{"$ref":"$.b"}}', /reference/],
    ['['.repeat(100_000), /within each other/],
    [`${'{"a":'.repeat(300)}1`, /within each other/],
  ] as const)
    t.throws(() => parseFastjson(text), problem, text.slice(0, 20))
})

t.test('a peer that sends a prototype gets an object like any other', async (t) => {
  for (const text of ['{"__proto__":{"x":1}}', '{"__proto__":{"x":1},a:1}']) {
    const value = parseFastjson(text) as { x?: number }
    t.equal(value.x, undefined)
    t.equal(Object.getPrototypeOf(value), Object.prototype)
  }
})

t.test('beans are written by the alphabet without what is null, maps as they are', async (t) => {
  t.equal(
    writeFastjson({
      b: [1, null, 'x'],
      a: undefined,
      c: null,
      d: new Map<unknown, unknown>([
        [0, 'x'],
        [{ z: 1, y: 2 }, []],
        ['k', new Set([1])],
      ]) as never,
    }),
    '{"b":[1,null,"x"],"d":{0:"x",{"y":2,"z":1}:[],"k":[1]}}',
  )
})

t.test('texts have the escapes that fastjson writes, and come back', async (t) => {
  t.equal(quote('a"\\\n\t\b\f\r/ü\u0001\u001f\u007f\u2028'), '"a\\"\\\\\\n\\t\\b\\f\\r/ü\\u0001\\u001F\\u007F\\u2028"')
  for (const text of ['', 'größe', '\u0000\u001f', '日本', '😀', '\u2029"'])
    for (const written of [quote(text), quote(text).replaceAll('"', "'").replaceAll("\\'", '\\"')]) t.equal(parseFastjson(written), text)
})

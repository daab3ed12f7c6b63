import { inspect } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { hostText, readRecord } from '#src/format/index.js'
import { Message } from '#src/store/message.js'
import { anyRecord, encodeRecord, type RecordFields } from '../support/layouts.js'

const [sample] = fc.sample(anyRecord, 1) as [RecordFields]

/** A page as a pull returns it: records back to back. */
function page(...all: Partial<RecordFields>[]): Message[] {
  const records = all.map((fields) => encodeRecord({ ...sample, ...fields }))
  const bytes = Buffer.concat(records)
  let at = 0
  return records.map((record) => {
    const message = new Message(bytes, at)
    at += record.length
    return message
  })
}

const one = (fields: Partial<RecordFields>) => page({}, fields, {})[1] as Message

t.test('a message has the fields of its record, wherever that lies in the page', async () => {
  fc.assert(
    fc.property(fc.array(anyRecord, { minLength: 1, maxLength: 5 }), (records) =>
      page(...records).every((message, i) => {
        const fields = records[i] as RecordFields
        const names = ['queueId', 'flag', 'queueOffset', 'logOffset', 'bornTimestamp', 'storeTimestamp', 'reconsumeTimes', 'topic'] as const
        return (
          names.every((name) => message[name] === fields[name]) &&
          message.preparedTransactionOffset === fields.preparedTransactionOffset &&
          message.bornHost === hostText(fields.bornHost, 0, fields.bornHost.length) &&
          message.storeHost === hostText(fields.storeHost, 0, fields.storeHost.length) &&
          message.body.equals(fields.body) &&
          message.raw.equals(encodeRecord(fields)) &&
          message.size === message.raw.length &&
          message.messageId === readRecord(message.raw).messageId
        )
      }),
    ),
  )
})

t.test('tags, keys and unique key are properties like others', async (t) => {
  const message = one({ properties: { KEYS: 'k1  k2 ', TAGS: 'größe', UNIQ_KEY: 'u', color: 'red' } })
  t.equal(message.tags, 'größe')
  t.same(message.keys, ['k1', 'k2'])
  t.equal(message.uniqueKey, 'u')
  t.same({ ...message.properties }, { KEYS: 'k1  k2 ', TAGS: 'größe', UNIQ_KEY: 'u', color: 'red' })
})

t.test('a message without properties has none of them', async (t) => {
  const message = one({ properties: {} })
  t.equal(message.tags, undefined)
  t.same(message.keys, [])
  t.equal(message.uniqueKey, undefined)
  t.same(Object.keys(message.properties), [])
  t.equal(message.properties.toString, undefined)
})

t.test('properties are decoded once, and one string serves equal topics', async (t) => {
  const [first, second] = page({ topic: 'orders' }, { topic: 'orders' }) as [Message, Message]
  t.equal(first.properties, first.properties)
  t.equal(first.topic, second.topic)
})

t.test('body and raw are views: no byte of a page is copied', async (t) => {
  const message = one({ body: Buffer.from('abc') })
  t.equal(message.body.buffer, message.raw.buffer)
  message.body.fill('x')
  t.ok(message.raw.includes('xxx'))
})

t.test('a printed message shows what it holds', async (t) => {
  const text = inspect(one({ topic: 'orders', queueId: 3, properties: { TAGS: 'paid' } }))
  for (const part of ["topic: 'orders'", 'queueId: 3', "TAGS: 'paid'"]) t.ok(text.includes(part), part)
})

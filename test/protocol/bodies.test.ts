/** Bodies that are old, packed, cut or strange. */
import { deflateSync, inflateSync } from 'node:zlib'
import t from 'tap'
import { readBatch, writeBatch } from '#src/protocol/bodies/batch.js'
import { readClientConfig, readHeartbeat, writeHeartbeat } from '#src/protocol/bodies/heartbeat.js'
import { readKvTable, readTopicList } from '#src/protocol/bodies/lists.js'
import { readRegistration, writeRegistration } from '#src/protocol/bodies/registration.js'
import { permText, topicConfigOf } from '#src/protocol/bodies/topic-config.js'
import { readClusterInfo, readTopicRoute } from '#src/protocol/bodies/topic-route.js'
import { bodyValue, numberOf } from '#src/protocol/bodies/values.js'
import { FieldError } from '#src/protocol/fields.js'
import { thrown } from '../support/thrown.js'

const registration = {
  dataVersion: { counter: 3, timestamp: 1795384101966 },
  topics: [topicConfigOf({ topicName: 'orders', topicFilterType: 'MULTI_TAG', perm: 4 }), topicConfigOf({ topicName: 'größe' })],
  filterServers: [],
}
const now = { compressed: false, version: 409 }

t.test('a registration comes back from both forms; the packed one keeps what it has room for', async (t) => {
  t.same(readRegistration(writeRegistration(registration), now), registration)
  t.same(readRegistration(writeRegistration(registration, true), { ...now, compressed: true }), registration)
  t.same(readRegistration(Buffer.alloc(0), now), { dataVersion: { counter: 0, timestamp: 0 }, topics: [], filterServers: [] })
  const old = Buffer.from('{"topicConfigTable":{"orders":{"perm":6}},"dataVersion":{"counter":1}}')
  t.match(readRegistration(old, { ...now, version: 30 }), {
    dataVersion: { counter: 1, timestamp: 0 },
    topics: [{ topicName: 'orders', perm: 6, readQueueNums: 16 }],
  })
})

t.test('a packed registration that is cut anywhere, or lies about its lengths, ends in an error that a broker is told', async (t) => {
  const plain = inflateSync(writeRegistration(registration, true))
  for (let cut = 0; cut < plain.length; cut++)
    t.type(
      thrown(() => readRegistration(deflateSync(plain.subarray(0, cut)), { ...now, compressed: true })),
      FieldError,
      `cut at ${cut}`,
    )
  const lying = Buffer.from(plain)
  lying.writeInt32BE(-1)
  t.type(
    thrown(() => readRegistration(deflateSync(lying), { ...now, compressed: true })),
    FieldError,
  )
  const short = Buffer.concat([plain.subarray(0, plain.readInt32BE(0) + 4), Buffer.from('000000010000000154000000025b5d', 'hex')])
  t.match(readRegistration(deflateSync(short), { ...now, compressed: true }).topics, [
    { topicName: 'T', readQueueNums: 16, writeQueueNums: 16, perm: 6 },
  ])
})

t.test('what bodies leave out, or have as another thing, is nothing', async (t) => {
  t.same(readTopicList(Buffer.from('{}')), { topicList: [] })
  t.same(readTopicList(Buffer.from('{"topicList":["a",null,5],"brokerAddr":null}')), { topicList: ['a', '', '5'] })
  t.same([...readKvTable(Buffer.from('{"table":{"a":1}}'))], [['a', '1']])
  t.same([...readKvTable(Buffer.from('[]'))], [])
  t.match(
    readTopicRoute(
      Buffer.from(
        '{"queueDatas":[{"brokerName":"a","topicSynFlag":2}],"brokerDatas":[5],"orderTopicConf":"a:4","filterServerTable":{"x:1":["y"]}}',
      ),
    ),
    {
      queueDatas: [{ brokerName: 'a', topicSysFlag: 2, perm: 0 }],
      brokerDatas: [{ brokerName: '', cluster: '' }],
      orderTopicConf: 'a:4',
    },
  )
  t.same([...readClusterInfo(Buffer.from('{}')).brokerAddrTable], [])
  t.equal(bodyValue(Buffer.alloc(0)), undefined)
  t.type(
    thrown(() => bodyValue(Buffer.from('{'))),
    FieldError,
  )
  t.same([numberOf('x', 5), numberOf(null, 5), numberOf(7n, 5), numberOf('8', 5)], [5, 5, 7, 8])
  t.match(topicConfigOf(undefined), { topicName: '', order: false })
})

t.test('heartbeats as every language writes them', async (t) => {
  const full = {
    clientID: 'c',
    producerGroups: ['p'],
    consumers: [
      {
        ...{
          groupName: 'g',
          consumeType: 'CONSUME_ACTIVELY' as const,
          messageModel: 'BROADCASTING' as const,
          consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET',
        },
        ...{
          unitMode: true,
          subscriptionDataSet: [
            { topic: 't', expressionType: 'TAG', subString: 'a', subVersion: 5, classFilterMode: true, tagsSet: ['a'], codeSet: [97] },
          ],
        },
      },
    ],
  }
  t.same(readHeartbeat(writeHeartbeat(full)), full)
  t.same(readHeartbeat(Buffer.from('{"clientID":"c"}')), { clientID: 'c', producerGroups: [], consumers: [] })
  const odd =
    '{"consumerDataSet":[{"groupName":"g","consumeType":"?","messageModel":"?","subscriptionDataSet":[{"topic":"t","codeSet":["97"],"tagsSet":{"a":1}}]}]}'
  t.match(readHeartbeat(Buffer.from(odd)).consumers, [
    {
      consumeType: 'CONSUME_PASSIVELY',
      messageModel: 'CLUSTERING',
      subscriptionDataSet: [{ expressionType: 'TAG', subString: '*', subVersion: 0, tagsSet: ['a'], codeSet: [97] }],
    },
  ])
  t.match(
    thrown(() => readHeartbeat(Buffer.alloc(0))),
    { javaClass: 'java.lang.NullPointerException' },
  )
  t.same(readClientConfig(Buffer.from('{"clientId":"c","group":"g"}')), { clientId: 'c', group: 'g', subscription: undefined })
  t.match(readClientConfig(Buffer.from('{"subscriptionData":{"topic":"t","expressionType":"SQL92"}}')).subscription, {
    topic: 't',
    expressionType: 'SQL92',
  })
})

t.test('batches, cut anywhere, are whole or refused', async (t) => {
  const messages = [
    { flag: 1, body: Buffer.from('one'), properties: 'a\u0001b' },
    { flag: -1, body: Buffer.alloc(0), properties: '' },
  ]
  const bytes = writeBatch(messages)
  t.same(readBatch(bytes), messages)
  t.same(readBatch(Buffer.alloc(0)), [])
  const first = writeBatch(messages.slice(0, 1)).length
  for (let cut = 1; cut < bytes.length; cut++)
    if (cut === first) t.equal(readBatch(bytes.subarray(0, cut)).length, 1)
    else
      t.match(
        thrown(() => readBatch(bytes.subarray(0, cut))),
        { javaClass: 'java.nio.BufferUnderflowException' },
      )
  bytes.writeInt32BE(-1, 16)
  t.match(
    thrown(() => readBatch(bytes)),
    { javaClass: 'java.nio.BufferUnderflowException' },
  )
})

t.test('permissions as remarks have them', async (t) => {
  t.same([0, 1, 2, 4, 6, 7].map(permText), ['---', '--X', '-W-', 'R--', 'RW-', 'RWX'])
})

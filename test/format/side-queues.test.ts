import t from 'tap'
import { sideQueueId, sideQueues } from '#src/format/index.js'

const read = (names?: string, offsets?: string) =>
  sideQueues({
    ...(names === undefined ? {} : { INNER_MULTI_DISPATCH: names }),
    ...(offsets === undefined ? {} : { INNER_MULTI_QUEUE_OFFSET: offsets }),
  })

t.test('each name has the number in its place', async (t) => {
  t.same(read('a,%LMQ%b', '7,0'), [
    { topic: 'a', queueOffset: 7 },
    { topic: '%LMQ%b', queueOffset: 0 },
  ])
  t.same(read('a,,', '7'), [{ topic: 'a', queueOffset: 7 }], 'as Java splits')
})

t.test('lists that do not agree are none', async (t) => {
  for (const [names, offsets] of [
    ['a', undefined],
    [undefined, '1'],
    ['a,b', '1'],
    ['a', '1,2'],
    ['a', 'x'],
    ['a', '-1'],
  ])
    t.same(read(names, offsets), [])
})

t.test('the queue id is that of the message, and 0 for the light queues of a store with enableLmq', async (t) => {
  t.same([sideQueueId('a', 3, true), sideQueueId('%LMQ%a', 3, true), sideQueueId('%LMQ%a', 3, false)], [3, 0, 3])
})

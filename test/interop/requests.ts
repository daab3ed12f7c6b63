/** Random pulls and key queries over what a store holds, to be put to both sides. */
import type { QueueRow } from '../support/contents.js'
import type { Random } from '../support/random.js'
import { tags } from './plan.js'
import type { Row } from './rows.js'
import type { PullRequest, QueryRequest } from './store-peer.js'

export const always = { begin: 0, end: 4_102_444_800_000 }
/** These two share a hash: Java's store gives both for either, and leaves it to its client to tell them apart. */
const colliding = ['Aa', 'BB']
const distinct = tags.filter((tag) => !colliding.includes(tag))

/** At, between and beyond the ends of every queue, with tags and without. */
export function randomPulls(random: Random, queues: readonly QueueRow[], each: number): PullRequest[] {
  return queues.flatMap(({ topic, queueId, minOffset, maxOffset }) => {
    const edges = [minOffset - 1, minOffset, maxOffset - 1, maxOffset, maxOffset + 1].filter((offset) => offset >= 0)
    return Array.from({ length: each }, (_, i) => ({
      topic,
      queueId,
      offset: edges[i] ?? random.between(minOffset, maxOffset),
      maxMessages: random.pick([1, 3, 32, 100]),
      ...(random.chance(0.5) ? { tags: Array.from({ length: random.between(1, 3) }, () => random.pick(distinct)).join(' || ') } : {}),
    }))
  })
}

/** Business keys and unique keys of some of the messages, over all time and over the second around one of them, and one that nobody has. */
export function randomQueries(random: Random, rows: readonly Row[], count: number): QueryRequest[] {
  const queries: QueryRequest[] = [{ topic: 'orders', key: 'nobody-has-this', maxMessages: 64, ...always }]
  while (queries.length < count) {
    const { topic, properties, storeTimestamp } = random.pick(rows)
    const key = random.pick([...(properties.KEYS ?? '').split(' '), properties.UNIQ_KEY ?? ''])
    if (key === '') continue
    const when = random.chance(0.2) ? { begin: storeTimestamp - 1000, end: storeTimestamp + 1000 } : always
    queries.push({ topic, key, maxMessages: random.pick([1, 64]), ...when })
  }
  return queries
}

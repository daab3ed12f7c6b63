/** An application of Spring Boot, by RocketMQ's starter: its template sends, its listeners consume by tag, in order, and again what failed. */
import t from 'tap'

import { UPDATE_AND_CREATE_TOPIC } from '#src/protocol/requests/broker.js'
import { RemotingPeer } from '../support/remoting.js'
import { startServers } from './cluster.js'
import { endings } from './endings.js'
import { runJava } from './java-peer.js'

t.setTimeout(300_000)

t.test('Spring Boot sends, consumes by tag and in order, and consumes again what failed', async (t) => {
  const atEnd = endings(t)
  const { namesrv, broker, stop } = await startServers(t.testdir({}), { mappedFileSizeCommitLog: 1 << 24 })
  atEnd(stop)
  const admin = await RemotingPeer.connect(broker.address)
  // Made before, so that nobody waits for routes to be asked for again.
  for (const topic of ['spring-topic', 'spring-ordered', '%RETRY%spring-failing']) {
    const queues = { readQueueNums: 2, writeQueueNums: 2, perm: 6 }
    const made = await admin.ask(UPDATE_AND_CREATE_TOPIC, {
      ...{ topic, defaultTopic: 'TBW102', topicFilterType: 'SINGLE_TAG', order: false },
      ...queues,
    })
    t.match(made, { code: 0 })
  }
  admin.close()

  const printed = await runJava('shop.SpringShop', [namesrv.address], { release: 'spring-boot', timeout: 200_000, killSignal: 'SIGKILL' })
  const facts = JSON.parse(printed.split('\n').find((line) => line.startsWith('{'))!)
  t.same(facts.statuses, { SEND_OK: 30 })
  t.same(facts.red.sort(), ['async', 'converted', 'delayed', 'oneway', 'plain-0', 'plain-2', 'последнее'])
  for (const order of ['order-0', 'order-1'])
    t.same(
      facts.ordered.filter((body: string) => body.startsWith(order)),
      Array.from({ length: 10 }, (_, n) => `${order}-${n}`),
    )
  t.same(facts.failing, ['spring-topic 0', 'spring-topic 1'])
  t.same(facts.objects, ['o-1 42'])
})

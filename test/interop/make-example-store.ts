/**
 * Makes examples/data/java-store.tar.gz again: a small shop's messages, put by RocketMQ 4.9.7's own DefaultMessageStore, which delivers
 * some delayed reminders as well. Sizes are recorded in no file of a store, so settings.properties goes with it.
 */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Random } from '../support/random.js'
import type { Put } from './plan.js'
import { StorePeer } from './store-peer.js'

const target = join(dirname(createRequire(import.meta.url).resolve('millrace/package.json')), 'examples', 'data')
const settings = { mappedFileSizeCommitLog: 1 << 19, mappedFileSizeConsumeQueue: 20000, maxHashSlotNum: 1000, maxIndexNum: 4000 }
const random = new Random(1)

function put(topic: string, queueId: number, body: object | string, more: Partial<Put> = {}): Put {
  const properties = { UNIQ_KEY: random.bytes(16).toString('hex').toUpperCase(), CLUSTER: 'DefaultCluster', ...more.properties }
  return {
    topic,
    queueId,
    body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)).toString('base64'),
    flag: 0,
    sysFlag: 0,
    bornTimestamp: Date.now(),
    bornHost: `10.1.2.${random.between(10, 19)}:${random.between(40000, 60000)}`,
    storeHost: '127.0.0.1:10911',
    reconsumeTimes: 0,
    preparedTransactionOffset: 0,
    ...more,
    properties,
  }
}

const goods = ['lamp', 'kettle', 'bicycle bell', 'atlas', 'tea', 'notebook', 'umbrella', 'Teekanne', 'чайник', '急須']

/** An order, what became of it, and now and then what else happens in a shop. */
function messagesOfOrder(number: number): Put[] {
  const order = `o-${number}`
  const customer = `c-${random.between(1, 120)}`
  const amount = (random.between(500, 30000) / 100).toFixed(2)
  const lines = Array.from({ length: random.between(1, 5) }, () => ({ article: random.pick(goods), pieces: random.between(1, 4) }))
  const queueId = number % 4
  const fate = random.chance(0.8) ? 'paid' : 'cancelled'
  const messages = [
    put('orders', queueId, { order, customer, lines, amount, currency: 'EUR' }, { tags: 'placed', keys: `${order} ${customer}` }),
    put('orders', queueId, { order, customer, amount, state: fate }, { tags: fate, keys: order }),
  ]
  if (fate === 'paid')
    messages.push(
      put('payments', number % 2, { order, amount, by: random.pick(['card', 'transfer', 'invoice']) }, { tags: 'received', keys: order }),
    )
  if (fate === 'paid' && random.chance(0.1))
    messages.push(put('orders', queueId, { order, customer, amount, state: 'refunded' }, { tags: 'refunded', keys: order }))
  if (random.chance(0.03))
    messages.push(
      put(
        '%RETRY%billing',
        0,
        { order, amount },
        { tags: 'paid', keys: order, reconsumeTimes: random.between(1, 3), properties: { RETRY_TOPIC: 'orders' } },
      ),
    )
  if (number % 100 === 0)
    messages.push(
      put('statements', 0, statement(number), { tags: 'monthly', keys: customer, compress: random.pick(['ZLIB', 'LZ4', 'ZSTD']) }),
    )
  if (number % 60 === 0)
    messages.push(
      put('reminders', 0, { order, customer }, { tags: 'unpaid', keys: order, properties: { DELAY: number % 120 === 0 ? '1' : '18' } }),
    )
  return messages
}

function statement(number: number): string {
  return Array.from({ length: 80 }, (_, i) => `${i + 1}. Order o-${number - i}: thank you for your purchase.`).join('\n')
}

const root = await mkdtemp(join(tmpdir(), 'millrace-example-'))
const java = await StorePeer.start()
await java.open(join(root, 'java-store'), settings)
const outcomes = await java.put(Array.from({ length: 740 }, (_, i) => messagesOfOrder(1000 + i)).flat())
const refused = outcomes.find(({ status }) => status !== 'PUT_OK')
if (refused) throw new Error(`Java refused a message: ${refused.status}`)
await sleep(4000) // level 1 is delivered after a second
const topics = await java.queues()
console.log(`${(await java.records()).length} messages`)
for (const { topic, queueId, maxOffset } of topics) console.log(topic, queueId, maxOffset)
await java.close()
await java.end()

await mkdir(target, { recursive: true })
const ordered = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '--exclude=lock']
await promisify(execFile)('tar', [...ordered, '-czf', join(target, 'java-store.tar.gz'), '-C', root, 'java-store'], {
  env: { ...process.env, GZIP: '-9' },
})
const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`)
await writeFile(
  join(target, 'java-store.properties'),
  `# What java-store.tar.gz was written with: RocketMQ's MessageStoreConfig.\n${lines.join('')}`,
)
await rm(root, { recursive: true, force: true })

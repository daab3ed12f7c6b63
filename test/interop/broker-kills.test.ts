/** `millrace server` is killed again and again under Java clients that send and consume; each time it starts again on the same ports. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { ended, type Outcome, start } from '../cli/run.js'
import { summary } from '../support/acknowledged.js'
import { Random, rounds, seed } from '../support/random.js'
import { endings } from './endings.js'
import { LinePeer } from './line-peer.js'
import { freePort } from './ports.js'

t.setTimeout(600_000)

const KILLS = Math.max(10, 5 * rounds)
const QUEUES = 4

interface Progress {
  acknowledged: number
  failed: number
  orderly: number
  concurrent: number
}

/** By queue, `[number, queue offset]`, in the order in which they were acknowledged or first delivered. */
type Notes = Record<string, [number, number][]>

class Server {
  readonly #child: ReturnType<typeof start>
  readonly #ended: Promise<Outcome>

  constructor(args: readonly string[]) {
    this.#child = start('server', ...args)
    this.#ended = ended(this.#child)
  }

  async ready(): Promise<void> {
    const first = await Promise.race([new Promise<string>((resolve) => this.#child.stdout.once('data', resolve)), this.#ended])
    if (typeof first !== 'string' || !first.startsWith('ready: ')) throw new Error(`it did not start: ${JSON.stringify(first)}`)
  }

  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<Outcome> {
    this.#child.kill(signal)
    return this.#ended
  }
}

t.test('a server that is killed under load loses nothing acknowledged, and each group gets all, a queue in its order', async (t) => {
  t.comment(`MILLRACE_SEED=${seed}`)
  const random = new Random(seed)
  const atEnd = endings(t)
  const root = t.testdir({})
  const config = join(root, 'broker.conf')
  writeFileSync(
    config,
    'brokerName=broker-a\nflushDiskType=SYNC_FLUSH\nmappedFileSizeCommitLog=1048576\nmappedFileSizeConsumeQueue=20000\n',
  )
  const [namesrv, port] = [await freePort(), await freePort(-2)]
  const args = ['--dir', join(root, 'store'), '-c', config, '--port', `${namesrv}`, '--listen-port', `${port}`]
  let server = new Server(args)
  atEnd(() => server.end('SIGKILL'))
  await server.ready()
  const load = await LinePeer.start('Load', [`127.0.0.1:${namesrv}`])
  atEnd(() => load.end())
  await load.ask({ do: 'start', topic: 'load', queues: QUEUES })

  const progress = () => load.ask<Progress>({ do: 'progress' })
  const warnings: string[] = []
  for (let kill = 0; kill < KILLS; kill++) {
    const before = await progress()
    const more = random.between(1, 2000)
    for (let now = before; now.acknowledged < before.acknowledged + more || now.concurrent === before.concurrent; now = await progress())
      await sleep(5)
    warnings.push((await server.end('SIGKILL')).stderr)
    server = new Server(args)
    await server.ready()
    await load.ask({ do: 'replace' })
  }
  const { failed } = await progress()
  t.comment(`${KILLS} kills, ${failed} failed sends`)
  t.ok(failed > 0, 'the clients noticed')

  const { acknowledged, ...groups } = await load.ask<Record<'acknowledged' | 'orderly' | 'concurrent', Notes>>({ do: 'finish' })
  for (let queue = 0; queue < QUEUES; queue++) {
    const sent = acknowledged[queue] ?? []
    t.ok(sent.length > KILLS, `${sent.length} messages of queue ${queue} were acknowledged`)
    for (const [group, { [queue]: taken = [] }] of Object.entries(groups)) {
      const offsets = new Map(taken)
      const lost = sent.filter(([number, offset]) => offsets.get(number) !== offset)
      t.same(summary(lost), { count: 0 }, `the ${group} group gets all of queue ${queue}, from where the answers said that they are`)
      t.equal(offsets.size, taken.length, 'none is in the queue twice')
      t.equal(new Set(offsets.values()).size, taken.length, 'what was delivered once is not replaced by another')
    }
    const first = (groups.orderly[queue] ?? []).map(([number]) => number)
    t.strictSame(
      first,
      first.toSorted((a, b) => a - b),
      'they come in the order in which they were sent',
    )
  }
  t.match(await server.end('SIGTERM'), { code: 0, stderr: '' })
  t.equal(warnings.join(''), '', 'no server had anything to complain about')
})

/** `millrace server` and `millrace broker` as they are started, used and stopped. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readTopicRoute } from '#src/protocol/bodies/topic-route.js'
import { GET_ROUTEINFO_BY_TOPIC } from '#src/protocol/requests/namesrv.js'
import { pull, send } from '../broker/started.js'
import { RemotingPeer } from '../support/remoting.js'
import { ended, run, start } from './run.js'

t.setTimeout(60_000)

const firstLine = (child: ReturnType<typeof start>) =>
  new Promise<string>((resolve) => child.stdout.once('data', (text) => resolve(String(text))))

t.test('a name server and a broker in one process, any client at once, what was acknowledged there after a kill', async (t) => {
  const dir = join(t.testdir({}), 'store')
  for (const signal of ['SIGKILL', 'SIGTERM', 'SIGINT'] as const) {
    const child = start('server', '--dir', dir, '--port', '0', '--listen-port', '0')
    const line = await firstLine(child)
    const [, namesrv, broker, directory] =
      /^ready: namesrv (127\.0\.0\.1:\d+), broker (127\.0\.0\.1:\d+), directory (\S+), millrace \d+\.\d+\.\d+\n$/.exec(line) ?? []
    t.equal(directory, dir)
    const client = await RemotingPeer.connect(namesrv as string)
    const route = readTopicRoute((await client.ask(GET_ROUTEINFO_BY_TOPIC, { topic: 'TBW102' })).body)
    t.same([...route.brokerDatas[0]!.brokerAddrs.values()], [broker])
    const one = await RemotingPeer.connect(broker as string)
    t.match(await send(one), { code: 0 })
    t.match(await pull(one), { code: 0 })
    child.kill(signal)
    const { code, stderr } = await ended(child)
    t.equal(code, signal === 'SIGKILL' ? null : 0, signal)
    t.equal(stderr, '')
    for (const peer of [client, one]) peer.close()
  }
  const child = start('server', '--dir', dir, '--port', '0', '--listen-port', '0')
  const broker = / broker (\S+),/.exec(await firstLine(child))?.[1] as string
  const one = await RemotingPeer.connect(broker)
  t.match(await pull(one), { code: 0, fields: { nextBeginOffset: '3' } })
  one.close()
  child.kill()
  await ended(child)
})

t.test('a broker with a file of settings: names that are none, and some without effect, are told; -p and -m print', async (t) => {
  const dir = t.testdir({})
  const config = join(dir, 'broker.conf')
  writeFileSync(
    config,
    `brokerName = broker-x\nstorePathRootDir=${join(dir, 'store')}\nlistenPort=0\nflushDiskTyp=SYNC_FLUSH\nsendMessageThreadPoolNums=16\nnamesrvAddr=127.0.0.1:1\n`,
  )
  const child = start('broker', '-c', config)
  t.match(await firstLine(child), /^broker ready: 127\.0\.0\.1:\d+, store in \S+store\n$/)
  child.kill('SIGTERM')
  const { code, stderr } = await ended(child)
  t.equal(code, 0)
  t.match(stderr, /flushDiskTyp is no setting of a broker; is flushDiskType meant\?\n/)
  t.match(stderr, /sendMessageThreadPoolNums has no effect: /)
  t.match(stderr, /"nameServer":"127\.0\.0\.1:1".*"not registered with a name server"/, 'a log of JSON lines')
  t.match(await run(['broker', '-c', config, '--strict']), { code: 1, stderr: /INVALID_SETTING.*flushDiskTyp/ })
  const printed = await run(['broker', '-c', config, '-n', '10.0.0.1:9876', '-D', 'rocketmq.broker.diskSpaceWarningLevelRatio=0.8', '-p'])
  t.match(printed, { code: 0, stdout: /^brokerName=broker-x$/m })
  t.match(printed.stdout, /^namesrvAddr=10\.0\.0\.1:9876$/m)
  t.match(printed.stdout, /^diskSpaceWarningLevelRatio=80$/m)
  const important = (await run(['broker', '-c', config, '-m'])).stdout
  t.match(important, /^brokerName=broker-x$/m)
  t.notMatch(important, /^sendMessageThreadPoolNums=/m)
  writeFileSync(config, 'brokerRole=SLAVE\n')
  t.match(await run(['broker', '-c', config]), { code: 1, stderr: /INVALID_SETTING.*brokerRole/ })
  t.match(await run(['broker', '-D', 'x']), { code: 2 })
  t.match(await run(['broker', '-Drocketmq.namesrv.addr=10.0.0.2:1', '-Dother=1', '-p']), { stdout: /^namesrvAddr=10\.0\.0\.2:1$/m })
})

t.test('a server whose broker can’t start ends, and leaves nothing; a file of settings counts, and the options before it', async (t) => {
  const dir = t.testdir({})
  const config = join(dir, 'broker.conf')
  writeFileSync(
    config,
    `brokerName=broker-x\nbindAddress=127.0.0.1\nstorePathRootDir=${join(dir, 'by-file')}\nlistenPort=1\nserverSelectorThreads=9\n`,
  )
  const child = start('server', '-c', config, '--port', '0', '--listen-port', '0')
  const line = await firstLine(child)
  t.match(line, /directory \S+by-file, /)
  const port = /broker 127\.0\.0\.1:(\d+)/.exec(line)?.[1] as string
  const namesrv = /namesrv 127\.0\.0\.1:(\d+)/.exec(line)?.[1] as string
  t.match(await run(['server', '--dir', join(dir, 'other'), '--port', '0', '--listen-port', port]), { code: 1, stderr: /EADDRINUSE/ })
  t.match(await run(['server', '--dir', join(dir, 'other'), '--port', namesrv, '--listen-port', '0']), { code: 1, stderr: /EADDRINUSE/ })
  t.match(await run(['server', '-c', config, '--strict', '--port', '0', '--listen-port', '0', '--dir', join(dir, 'by-file')]), {
    code: 1,
    stderr: /STORE_LOCKED/,
  })
  child.kill()
  t.match((await ended(child)).stderr, /serverSelectorThreads has no effect/)
})

/** `millrace namesrv` as it is started, asked and stopped. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { GET_NAMESRV_CONFIG } from '#src/protocol/requests/namesrv.js'
import { RemotingPeer } from '../support/remoting.js'
import { ended, run, start } from './run.js'

t.setTimeout(60_000)

t.test('it says that it is ready and where, answers, and ends with 0 when it is told to', async (t) => {
  const dir = t.testdir({})
  const config = join(dir, 'namesrv.properties')
  writeFileSync(
    config,
    `kvConfigPath=${join(dir, 'kv.json')}\nlistenPort=1\norderMesageEnable=true\nwhatever=1\nserverSelectorThreads=5\nserverWorkerThreads=8\n`,
  )
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const child = start('namesrv', '-c', config, '--port', '0')
    const line = await new Promise<string>((resolve) => child.stdout.once('data', (text) => resolve(String(text))))
    const [, address] = /^namesrv ready: (127\.0\.0\.1:\d+), KV config in \S+kv\.json\n$/.exec(line) ?? []
    const peer = await RemotingPeer.connect(address as string)
    t.match((await peer.ask(GET_NAMESRV_CONFIG, {})).body.toString(), /^kvConfigPath=.*\n(.*\n)*listenPort=0\n/)
    peer.close()
    child.kill(signal)
    const { code, stderr } = await ended(child)
    t.equal(code, 0, signal)
    t.match(stderr, /orderMesageEnable is no setting of a name server; is orderMessageEnable meant\?\n/)
    t.match(stderr, /whatever is no setting of a name server\n/)
    t.match(stderr, /^millrace: warning: serverSelectorThreads has no effect: one thread .*$/m)
    t.equal(stderr.match(/has no effect/g)?.length, 1, 'nothing is said of a default that is given')
  }
})

t.test('a bad file, a bad value and a taken port are one line and exit code 1; -p prints', async (t) => {
  const dir = t.testdir({})
  const config = join(dir, 'namesrv.properties')
  writeFileSync(config, 'listenPort=99999\n')
  t.match(await run(['namesrv', '-c', config]), { code: 1, stderr: /INVALID_SETTING.*listenPort.*99999/ })
  writeFileSync(config, 'whatever=1\n')
  t.match(await run(['namesrv', '-c', config, '--strict']), { code: 1, stderr: /INVALID_SETTING.*whatever/ })
  t.match(await run(['namesrv', '-c', join(dir, 'none')]), { code: 1, stderr: /ENOENT/ })
  t.match(await run(['namesrv', '--port', 'x']), { code: 2 })
  writeFileSync(config, 'serverSelectorThreads=5\n')
  const { code, stdout } = await run(['namesrv', '-c', config, '--port', '1234', '-p'])
  t.equal(code, 0)
  t.match(stdout, /^listenPort=1234$/m)
  t.match(stdout, /^serverSelectorThreads=5$/m)
  const child = start('namesrv', '--port', '0')
  const line = await new Promise<string>((resolve) => child.stdout.once('data', (text) => resolve(String(text))))
  const port = /:(\d+),/.exec(line)?.[1] as string
  t.match(await run(['namesrv', '--port', port]), { code: 1, stderr: /EADDRINUSE/ })
  child.kill()
  await ended(child)
})

/** A name server or a broker of RocketMQ as a process of its own, on the loopback. */
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { exitCode } from '../support/exit-code.js'
import { startJava } from './java-peer.js'
import { freePort, listens } from './ports.js'
import type { Settings } from './store-peer.js'

const programs = { namesrv: 'org.apache.rocketmq.namesrv.NamesrvStartup', broker: 'org.apache.rocketmq.broker.BrokerStartup' }

export class JavaServer {
  readonly address: string
  readonly #folder: string
  readonly #child: ChildProcess

  private constructor(address: string, folder: string, child: ChildProcess) {
    this.address = address
    this.#folder = folder
    this.#child = child
  }

  static async nameServer(): Promise<JavaServer> {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-java-'))
    return JavaServer.#start('namesrv', folder, { listenPort: await freePort(), kvConfigPath: join(folder, 'kv.json') })
  }

  /** broker-a of the DefaultCluster, unless the settings say otherwise. A name server hears of it a moment after it listens. */
  static async broker(dir: string, nameServer: string, settings: Settings): Promise<JavaServer> {
    const port = await freePort(-2, 1) // it listens on the two beside it as well
    return JavaServer.#start('broker', await mkdtemp(join(tmpdir(), 'millrace-java-')), {
      ...{ brokerClusterName: 'DefaultCluster', brokerName: 'broker-a', brokerId: 0, brokerIP1: '127.0.0.1', brokerIP2: '127.0.0.1' },
      ...{ namesrvAddr: nameServer, storePathRootDir: dir, storePathCommitLog: join(dir, 'commitlog') },
      ...{ listenPort: port, haListenPort: port + 1, ...settings },
    })
  }

  /** Asks it to shut down, and waits. Any number of calls. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM')
    await exitCode(this.#child)
    await rm(this.#folder, { recursive: true, force: true })
  }

  static async #start(what: keyof typeof programs, folder: string, settings: Settings): Promise<JavaServer> {
    const file = join(folder, `${what}.properties`)
    const lines = Object.entries(settings).map((pair) => `${pair.join('=')}\n`)
    await writeFile(file, lines.join(''))
    const child = await startJava(programs[what], ['-c', file], { stdio: ['ignore', 'pipe', 'pipe'] })
    const server = new JavaServer(`127.0.0.1:${settings.listenPort}`, folder, child)
    let printed = ''
    for (const output of [child.stdout, child.stderr])
      output?.on('data', (text) => {
        printed = (printed + text).slice(-4000)
      })
    while (!(await listens(Number(settings.listenPort)))) {
      if (child.exitCode !== null || child.signalCode !== null) {
        await server.stop()
        throw new Error(`${programs[what]} did not start:\n${printed}`)
      }
      await sleep(50)
    }
    return server
  }
}

/** A Java broker on a store's directory, and a name server that it registers with, Java's or another that is there; all on the loopback. */
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { exitCode } from '../support/exit-code.js'
import { mqadmin, runJava, startJava } from './java-peer.js'
import type { Settings } from './store-peer.js'

export interface BrokerMessage {
  what: 'pulled' | 'sent'
  topic: string
  queueId: number
  queueOffset: number
  logOffset: number
  keys: string | null
  /** Of a pulled message: its body, decompressed. */
  bodySha1: string | null
}

/** The broker's port; it listens on the two beside it as well. */
const brokerPort = 20310
const nameServerPort = 20300

export class BrokerPeer {
  readonly nameServer: string
  readonly address = `127.0.0.1:${brokerPort}`
  readonly #processes: ChildProcess[] = []
  #configuration = ''

  private constructor(nameServer: string) {
    this.nameServer = nameServer
  }

  /** Resolves when both listen. The name server hears of the broker a moment later: `readAndSend` waits for that. */
  static async start(dir: string, settings: Settings, otherNameServer?: string): Promise<BrokerPeer> {
    const peer = new BrokerPeer(otherNameServer ?? `127.0.0.1:${nameServerPort}`)
    try {
      await peer.#start(dir, settings, otherNameServer === undefined)
    } catch (error) {
      await peer.stop()
      throw error
    }
    return peer
  }

  /** Makes the topics known, pulls all that is in them, and sends one message to each. */
  async readAndSend(topics: Readonly<Record<string, number>>): Promise<BrokerMessage[]> {
    const printed = await runJava('BrokerReader', [this.nameServer, this.address, ...Object.entries(topics).flat().map(String)])
    return printed
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line))
  }

  mqadmin(...args: string[]): Promise<string> {
    return mqadmin([...args, '-n', this.nameServer])
  }

  /** Asks both to shut down, the broker first, and waits. */
  async stop(): Promise<void> {
    for (const child of this.#processes.reverse()) {
      child.kill('SIGTERM')
      await exitCode(child)
    }
    await rm(this.#configuration, { recursive: true, force: true })
  }

  async #start(dir: string, settings: Settings, withNameServer: boolean): Promise<void> {
    this.#configuration = await mkdtemp(join(tmpdir(), 'millrace-broker-'))
    const write = async (name: string, properties: Settings): Promise<string> => {
      const file = join(this.#configuration, name)
      await writeFile(
        file,
        Object.entries(properties)
          .map((pair) => `${pair.join('=')}\n`)
          .join(''),
      )
      return file
    }
    const namesrv = await write('namesrv.properties', { listenPort: nameServerPort, kvConfigPath: join(this.#configuration, 'kv.json') })
    const broker = await write('broker.properties', {
      ...settings,
      brokerClusterName: 'DefaultCluster',
      brokerName: 'broker-a',
      brokerId: 0,
      brokerIP1: '127.0.0.1',
      brokerIP2: '127.0.0.1',
      namesrvAddr: this.nameServer,
      listenPort: brokerPort,
      haListenPort: brokerPort + 1,
      storePathRootDir: dir,
      storePathCommitLog: join(dir, 'commitlog'),
    })
    if (withNameServer) await this.#run('org.apache.rocketmq.namesrv.NamesrvStartup', namesrv, nameServerPort)
    await this.#run('org.apache.rocketmq.broker.BrokerStartup', broker, brokerPort)
  }

  async #run(program: string, file: string, port: number): Promise<void> {
    const child = await startJava(program, ['-c', file], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#processes.push(child)
    let printed = ''
    child.stdout?.on('data', (text) => {
      printed = (printed + text).slice(-4000)
    })
    child.stderr?.on('data', (text) => {
      printed = (printed + text).slice(-4000)
    })
    while (!(await listens(port))) {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${program} did not start:\n${printed}`)
      await sleep(50)
    }
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket
      .once('connect', () => {
        socket.destroy()
        resolve(true)
      })
      .once('error', () => resolve(false))
  })
}

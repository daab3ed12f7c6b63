/** The name server and the broker that the Java clients meet: millrace's, or with MILLRACE_INTEROP_JAVA=1 RocketMQ's own, with which every test must pass too. */
import { join } from 'node:path'
import type { Test } from 'tap'
import { Broker, type BrokerSettings, NameServer } from '#src/index.js'
import { BrokerPeer } from './broker-peer.js'

/** By RocketMQ's names; beside them all clusters have what follows below. */
export type ClusterSettings = { accessMessageInMemoryMaxRatio?: number }

export interface Cluster {
  /** `ip:port` of the name server. */
  readonly nameServer: string
  /** The broker first. Any number of calls; the test's end is one. */
  stop(): Promise<void>
}

export const isJava = process.env.MILLRACE_INTEROP_JAVA === '1'

/** On a busy machine RocketMQ's broker refuses what has waited for 200 ms. */
const common = { brokerName: 'broker-a', mappedFileSizeCommitLog: 1 << 26, waitTimeMillsInSendQueue: 10_000 }

export async function startCluster(t: Test, settings: ClusterSettings = {}): Promise<Cluster> {
  const start = isJava ? startJavaCluster : startMillraceCluster
  let cluster: Cluster | undefined
  let stopping: Promise<void> | undefined
  const stop = () => {
    stopping ??= cluster?.stop() ?? Promise.resolve()
    return stopping
  }
  t.teardown(stop) // asked for before the folder is: what is asked for first is done first
  cluster = await start(t.testdir({}), settings)
  return { nameServer: cluster.nameServer, stop }
}

async function startMillraceCluster(dir: string, settings: ClusterSettings): Promise<Cluster> {
  const { namesrv, stop } = await startServers(dir, settings)
  return { nameServer: namesrv.address, stop }
}

/** A name server and a broker of millrace's in this process. */
export async function startServers(dir: string, settings: Partial<BrokerSettings>) {
  const namesrv = await NameServer.start({ settings: { listenPort: 0, kvConfigPath: join(dir, 'kv.json') } })
  const broker = await Broker.start({
    settings: { ...common, ...settings, listenPort: 0, namesrvAddr: namesrv.address, storePathRootDir: join(dir, 'store') },
  }).catch(async (error) => {
    await namesrv.close()
    throw error
  })
  const stop = async () => {
    await broker.close()
    await namesrv.close()
  }
  return { namesrv, broker, stop }
}

async function startJavaCluster(dir: string, settings: ClusterSettings): Promise<Cluster> {
  const peer = await BrokerPeer.start(join(dir, 'store'), { ...common, ...settings })
  return { nameServer: peer.nameServer, stop: () => peer.stop() }
}

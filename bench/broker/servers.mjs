// The brokers under test, each a process, with a name server: ours (both in one), Java's (two) and the bare loop (one). All on free ports of the loopback, with
// the same settings.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { javaProgram, root } from '../build.mjs'

const HEAP = '1g'
const START_LIMIT_MS = 120_000
/** Less than a trial's limit (measure.mjs), at which it would be killed and its brokers left. */
const LIMIT_MS = 15 * 60_000
const [GET_ROUTE, GET_MAX_OFFSET] = [105, 30]
const DEFAULT_TOPIC = 'TBW102'
const LIBRARY = process.env.MILLRACE_LIBRARY ?? join(root, 'dist', 'index.js')

const programs = {
  ours: (ports, { conf, store }) => ({
    broker: [
      process.execPath,
      ...[join(dirname(LIBRARY), 'cli', 'main.js'), 'server', '-c', conf, '--dir', store],
      ...['--port', `${ports.namesrv}`, '--listen-port', `${ports.broker}`],
    ],
  }),
  java: (_ports, { conf, namesrvConf }) => ({
    namesrv: javaProgram('org.apache.rocketmq.namesrv.NamesrvStartup', '128m', ['-c', namesrvConf]),
    broker: javaProgram('org.apache.rocketmq.broker.BrokerStartup', HEAP, ['-c', conf]),
  }),
  node: (ports) => ({
    broker: [
      process.execPath,
      fileURLToPath(new URL('../peers/socket-loop.mjs', import.meta.url)),
      ...[`port=${ports.broker}`, `namesrv=${ports.namesrv}`],
    ],
  }),
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))

/**
 * Starts one on `dir`; gives, once it serves, where, its process, and the milliseconds since that began. `settings` are RocketMQ's. Whoever has not stopped it
 * after `limitMs` is ended with it.
 */
export async function startServer(kind, dir, settings = {}, limitMs = LIMIT_MS) {
  setTimeout(() => process.exit(1), limitMs).unref()
  const ports = await freePorts()
  const [conf, namesrvConf, store] = ['broker.conf', 'namesrv.conf', 'store'].map((name) => join(dir, name))
  mkdirSync(store, { recursive: true })
  writeProperties(namesrvConf, { listenPort: ports.namesrv, kvConfigPath: join(dir, 'kv.json') })
  writeProperties(conf, {
    ...{ brokerClusterName: 'DefaultCluster', brokerName: 'broker-a', brokerId: 0, brokerIP1: '127.0.0.1' },
    ...{ listenPort: ports.broker, haListenPort: ports.broker + 1, namesrvAddr: `127.0.0.1:${ports.namesrv}` },
    ...{ storePathRootDir: store, storePathCommitLog: join(store, 'commitlog') },
    ...{ waitTimeMillsInSendQueue: 10_000, osPageCacheBusyTimeOutMills: 60_000 }, // none is turned away
    ...settings,
  })
  const running = []
  const stop = async (signal = 'SIGKILL') => {
    for (const { child, gone } of running) {
      child.kill(signal)
      await gone
    }
  }
  try {
    const { namesrv, broker } = programs[kind](ports, { conf, namesrvConf, store })
    if (namesrv) {
      running.unshift(start(namesrv))
      await answered(running[0], ports.namesrv, GET_ROUTE, { topic: 'none' })
    }
    const begun = performance.now()
    running.unshift(start(broker))
    await answered(running[0], ports.namesrv, GET_ROUTE, { topic: DEFAULT_TOPIC }, 0)
    await answered(running[0], ports.broker, GET_MAX_OFFSET, { topic: DEFAULT_TOPIC, queueId: '0' }, 0)
    return { ports, pid: running[0].child.pid, milliseconds: performance.now() - begun, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function start([command, ...args]) {
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'ignore', 'pipe'] })
  process.once('exit', () => child.kill('SIGKILL'))
  const one = { child, gone: once(child, 'close'), said: '' }
  child.stderr.setEncoding('utf8').on('data', (text) => {
    one.said = (one.said + text).slice(-2000)
  })
  return one
}

/** Asks again and again until there is an answer, with this code if one is wanted. */
async function answered(server, port, code, fields, wanted) {
  const { child } = server
  for (const until = performance.now() + START_LIMIT_MS; performance.now() < until; await sleep(2)) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${child.spawnargs.at(-1)} ended: ${server.said}`)
    const answer = await ask(port, code, fields).catch(() => undefined)
    if (answer !== undefined && (wanted ?? answer.code) === answer.code) return
  }
  throw new Error(`nothing answers ${code} on port ${port}: ${server.said}`)
}

/** The header of the answer to one request, over a connection of its own. */
async function ask(port, code, extFields) {
  const header = JSON.stringify({ code, extFields, flag: 0, language: 'JAVA', opaque: 1, serializeTypeCurrentRPC: 'JSON', version: 409 })
  const head = Buffer.alloc(8)
  head.writeInt32BE(4 + header.length, 0)
  head.writeInt32BE(header.length, 4)
  const socket = connect(port, '127.0.0.1')
  try {
    socket.write(Buffer.concat([head, Buffer.from(header)]))
    let bytes = Buffer.alloc(0)
    for await (const chunk of socket) {
      bytes = Buffer.concat([bytes, chunk])
      if (bytes.length >= 8 && bytes.length >= 8 + bytes.readInt32BE(4))
        return JSON.parse(bytes.toString('utf8', 8, 8 + bytes.readInt32BE(4)))
    }
    throw new Error('closed')
  } finally {
    socket.destroy()
  }
}

/** Of the broker, with the two beside it that it uses, and of the name server. */
async function freePorts() {
  for (;;) {
    const broker = 20_000 + Math.floor(Math.random() * 10_000)
    const ports = [broker - 2, broker, broker + 1, broker + 3]
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) return { broker, namesrv: broker + 3 }
  }
}

function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

function writeProperties(path, properties) {
  writeFileSync(
    path,
    Object.entries(properties)
      .map((pair) => `${pair.join('=')}\n`)
      .join(''),
  )
}

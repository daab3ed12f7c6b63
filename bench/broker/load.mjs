// A broker, and load on it from a process of its own.
//   server=ours|java|node  by=java|c (whose arguments follow: bench/peers/java/BrokerLoad.java, bench/native/load.c)
//   sync=1    flushed before the answer
//   fill=     so many messages are there before
//   held=     so many pulls wait meanwhile, over 1,000 connections; `heldBytes` is what one of them costs
//   pause=    seconds of rest before its memory is looked at
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { javaProgram, programs } from '../build.mjs'
import { ownMemory } from '../memory.mjs'
import { options, print } from '../workload.mjs'
import { run } from './run.mjs'
import { startServer } from './servers.mjs'

const HELD_CONNECTIONS = 1000
const HELD_QUEUES = 1000
const CLIENT_HEAP = '1g'
const given = process.argv.slice(2)

const { server: kind, by, sync = 0, fill = 0, held = 0, pause = 0 } = options
const server = await startServer(kind, options.dir, { flushDiskType: sync ? 'SYNC_FLUSH' : 'ASYNC_FLUSH' })
try {
  const own = [`pid=${server.pid}`, `port=${server.ports.broker}`, `namesrv=127.0.0.1:${server.ports.namesrv}`]
  if (fill > 0) await run(c(['mode=send', `count=${fill}`, 'connections=4', 'window=4', 'batch=32', `body=${options.body}`, ...own]))
  const waiting = held > 0 ? await holdPulls(own) : undefined
  const answer = JSON.parse(await run(by === 'c' ? c([...given, ...own]) : javaProgram('BrokerLoad', CLIENT_HEAP, [...given, ...own])))
  if (answer.failed > 0) throw new Error(`${answer.failed} messages were refused`)
  await waiting?.end()
  await sleep(1000 * pause)
  print({ ...answer, ready: server.milliseconds, bytes: memory(), ...(waiting && { heldBytes: waiting.bytes }) })
} finally {
  await server.stop()
}

function c(args) {
  return [programs.limit, 'load', ...args]
}

function memory() {
  const { anonymous, pageTables } = ownMemory(server.pid)
  return anonymous + pageTables
}

/** The connections are there, and something has been sent, before the memory is looked at. */
async function holdPulls(own) {
  const args = ['mode=hold', `connections=${HELD_CONNECTIONS}`, `pulls=${held}`, 'topics=2', `queues=${HELD_QUEUES / 2}`]
  const [command, ...rest] = c([...args, ...own])
  const child = spawn(command, rest, { stdio: ['pipe', 'pipe', 'inherit'] })
  const gone = once(child, 'close')
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const line = async () => {
    if ((await lines.next()).done) throw new Error('the pulls could not be held')
  }
  await line()
  await run(c(['mode=send', 'connections=64', 'body=1024', 'warm=0', 'seconds=2', ...own]))
  await sleep(1000 * pause)
  const before = memory()
  child.stdin.write('\n')
  await line()
  await sleep(1000 * pause)
  const bytes = (memory() - before) / held
  const end = async () => {
    child.stdin.end()
    const [code] = await gone
    if (code !== 0) throw new Error('a pull was answered')
  }
  return { bytes, end }
}

// Works on a whole broker, over TCP: ours, Java's, and a bare loop of Node's sockets that stores nothing. The load is another process on the same machine:
// the Java client, or a program in C where that is the limit.
import { join } from 'node:path'
import { root } from '../build.mjs'
import { GIB, kib, recordBytes } from './trials.mjs'

/** What a stored message has beside what those of other works have: the client's key, and the cluster. */
const MORE_BYTES = 67
const NAMES = { ours: 'ours', java: 'Java', node: 'Node: socket loop' }
const NEEDS = { ours: ['ours'], java: ['java'], node: [] }

export function brokers(scaled, scale) {
  const times = { warm: Math.max(2, 10 * scale), seconds: Math.max(2, 10 * scale) }
  const rest = { pause: Math.max(1, 10 * scale) }
  const sends = (name, args, targets) => sending(name, { mode: 'send', by: 'java', ...times, ...args }, targets, scaled)
  return [
    sends('1 KiB, 1 thread', { body: 1024, threads: 1 }, { rate: 1.8, cpu: 1 / 4 }),
    sends('1 KiB, 8 threads', { body: 1024, threads: 8 }, { rate: 1.5, cpu: 1 / 3, p999: {} }),
    pacing(times, scaled),
    sends('1 KiB, 64 threads', { body: 1024, threads: 64, ...rest }, { rate: 1.8, cpu: 1 / 3, p999: { atMost: 1 / 3 }, memory: 1 / 5 }),
    sends('1 KiB, 64 connections of C', { body: 1024, connections: 64, by: 'c' }, { rate: 2.5, cpu: 1 / 3, p999: { atMost: 1 / 3 } }),
    sends('128 B, 4 threads with 256 in flight', { body: 128, threads: 4, window: 256 }, { rate: 1.3, cpu: 0.4 }),
    sends('128 B, 4 connections of C with 256 in flight', { body: 128, connections: 4, window: 256, by: 'c' }, { rate: 2, cpu: 0.4 }),
    sends('128 B, 8 threads, batches of 32', { body: 128, threads: 8, batch: 32 }, { rate: 2.5, cpu: 1 / 4 }),
    sends(
      '128 B, 4 connections of C, batches of 32',
      { body: 128, connections: 4, window: 2, batch: 32, by: 'c' },
      { rate: 2.5, cpu: 1 / 4 },
    ),
    sends('1 KiB, 64 threads, sync flush', { body: 1024, threads: 64, sync: 1 }, { rate: 1.5, p999: { atMost: 1 } }),
    ...backlogs(times, scaled),
    together(times, scaled),
    ready(0, 300, scaled),
    ready(scaled((4 * GIB) / recordBytes(1024 + MORE_BYTES)), 600, scaled),
    many({ ...times, ...rest }, scaled),
  ]
}

/** The kinds of broker that a work compares, with these arguments. */
const candidates = (kinds, args) => Object.fromEntries(kinds.map((kind) => [NAMES[kind], trial('load', { server: kind, ...args })]))

function trial(script, { server, by, ...args }) {
  const list = Object.entries({ server, ...(by && { by }), ...args }).map((pair) => pair.join('='))
  return {
    needs: [...NEEDS[server], ...(by === 'java' ? ['java'] : [])],
    command: (dir) => [process.execPath, join(root, 'bench', 'broker', `${script}.mjs`), `dir=${dir}`, ...list],
  }
}

const row = (name, ours, metric, unit, targets) => ({ name, ours, metric, unit, targets })
const rateRow = (...targets) => row('messages a second', 'ours', 'rate', 'messages/s', targets)
const cpuRow = (atMost) => row('CPU a message', 'ours', 'cpuMicroseconds', 'µs', [{ of: 'Java', atMost }])
const p999Row = (bound) => row('p99.9', 'ours', 'p999', 'µs', [{ of: 'Java', ...bound }, ...(bound.atMost ? [] : [{ of: 'Node' }])])
const memoryRow = (atMost) => row('memory that lies in no file, after it', 'ours', 'bytes', 'bytes', [{ of: 'Java', atMost }])

function sending(name, args, { rate, cpu, p999, memory }, scaled) {
  const kinds = args.sync ? ['ours', 'java'] : ['ours', 'java', 'node']
  return {
    name: `broker, ${name}`,
    bytes: scaled(2 * GIB),
    candidates: candidates(kinds, args),
    rows: [
      rateRow({ of: 'Java', atLeast: rate }, ...(args.sync ? [] : [{ of: 'Node', atLeast: 0.85 }])),
      ...(cpu ? [cpuRow(cpu)] : []),
      ...(p999 ? [p999Row(p999)] : []),
      ...(memory ? [memoryRow(memory)] : []),
    ],
  }
}

function pacing(times, scaled) {
  const args = { mode: 'send', by: 'java', body: 1024, threads: 8, pace: 10_000, ...times }
  return {
    name: 'broker, 1 KiB, 10,000 a second from 8 threads, open loop',
    bytes: scaled(GIB),
    candidates: candidates(['ours', 'java', 'node'], args),
    rows: [
      row('p99.9 from the intended start', 'ours', 'p999', 'µs', [{ of: 'Java', atMost: 1 }, { of: 'Node' }]),
      row('answered within 1 ms', 'ours', 'shareUnder1ms', '%', [{ atLeast: 0.996 }, { of: 'Java' }, { of: 'Node' }]),
      rateRow({ of: 'Node', atLeast: 0.85 }),
      cpuRow(1),
    ],
  }
}

/** Read by the Java client, which is the limit, and by C. */
function backlogs(times, scaled) {
  const fill = scaled(1_000_000 / 32) * 32
  const all = { body: 1024, fill, ...times }
  const byC = { by: 'c', mode: 'pull', connections: 4, ...all }
  const work = (how, candidates, targets) => ({
    name: `broker, consuming a backlog of ${kib(1024)}, ${how}`,
    bytes: Math.max(scaled(2 * GIB), fill * recordBytes(1024 + MORE_BYTES)),
    candidates,
    rows: [rateRow(...targets), cpuRow(0.4)],
  })
  return [
    work(
      'by the Java client',
      {
        ...candidates(['ours', 'java'], { by: 'java', mode: 'consume', count: fill, ...all }),
        'C: ours, read by C': trial('load', { server: 'ours', ...byC }),
      },
      [{ of: 'Java' }, { of: 'C' }],
    ),
    work('by C', candidates(['ours', 'java'], byC), [{ of: 'Java', atLeast: 2 }]),
  ]
}

function together(times, scaled) {
  const latency = (name, metric) => row(name, 'ours', metric, 'µs', [{ of: 'Java', atMost: 1 }])
  return {
    name: `broker, ${kib(1024)}, sent by 2 threads and consumed meanwhile`,
    bytes: scaled(2 * GIB),
    candidates: candidates(['ours', 'java'], { mode: 'both', by: 'java', body: 1024, threads: 2, ...times }),
    rows: [
      rateRow({ of: 'Java', atLeast: 1.5 }),
      latency('p50 from the send to the listener', 'p50'),
      latency('p99 from the send to the listener', 'p99'),
      cpuRow(1 / 3),
    ],
  }
}

function ready(fill, most, scaled) {
  const of = (server) => trial('ready', { server, body: 1024, fill })
  return {
    name: `broker, from its start until it serves, ${fill === 0 ? 'empty' : 'a store that was closed properly, warm'}`,
    bytes: Math.max(scaled(GIB), fill * recordBytes(1024 + MORE_BYTES)),
    candidates: { ours: of('ours'), Java: of('java') },
    rows: [row('ready', 'ours', 'milliseconds', 'ms', [{ below: most }, { of: 'Java' }])],
  }
}

/** More of what it is meant to carry than the small case has, which is 64 connections and four queues. */
function many(times, scaled) {
  const of = (more) => trial('load', { server: 'ours', by: 'c', mode: 'send', body: 1024, connections: 64, ...times, ...more })
  const rate = (name) => row(name, name, 'rate', 'messages/s', [{ of: 'small', atLeast: 0.8 }])
  return {
    name: 'broker, 1 KiB, many',
    bytes: scaled(2 * GIB),
    candidates: {
      small: of({}),
      '1,000 connections': of({ connections: 1000 }),
      '10,000 queues': of({ topics: 625, queues: 16 }),
      '5,000 pulls that wait': of({ held: 5000 }),
      '50,000 pulls that wait': of({ held: 50_000 }),
    },
    rows: [
      rate('1,000 connections'),
      rate('10,000 queues'),
      rate('5,000 pulls that wait'),
      row('memory of a pull that waits', '50,000 pulls that wait', 'heldBytes', 'bytes', [{ below: 2048 }]),
    ],
  }
}

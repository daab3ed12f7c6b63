// Works on stores with many queues: what they are meant to carry besides the four of all others.
import { java, kib, limit, ours, recordBytes } from './trials.mjs'

const TOPICS = 200
/** Of what each queue gets before it is opened, flushed or looked at. */
const UNITS = 4
const REST_SECONDS = 600

const counted = (count) => count.toLocaleString('en-US')

export function manyQueues(scaled, scale) {
  const many = Math.max(5000, scaled(50_000))
  return [
    ...[1024, 128].map((body) => appends(body, [Math.max(1000, scaled(10_000)), many], scaled)),
    creation(Math.max(2000, scaled(20_000)), scaled),
    opening(many, scaled),
    flush(many, scaled),
    memory(many, scaled, Math.max(3, REST_SECONDS * (scale === 1 ? 1 : scale / 10))),
  ]
}

/** Written evenly, in turn, and no message of the topic of the one before it. */
function appends(body, counts, scaled) {
  const count = scaled(body === 1024 ? 2_000_000 : 4_000_000)
  const to = (how, queues) => `${how} to ${counted(queues)} queues`
  const c = (queues) => `C, ${counted(queues)} queues`
  const hows = ['append', 'appendBatch']
  const all = { body, count }
  const candidates = [4, ...counts].flatMap((queues) => [
    ...hows.map((how) => [to(how, queues), ours('append', { how, ...all, queues, topics: queues > 4 ? TOPICS : 1 })]),
    [c(queues), limit('append', { ...all, queues, write: 'mapped' })],
  ])
  return {
    name: `append, ${kib(body)}, many queues`,
    bytes: count * 1.1 * recordBytes(body),
    candidates: Object.fromEntries(candidates),
    rows: hows.flatMap((how) =>
      counts.map((queues) => ({
        name: to(how, queues),
        ours: to(how, queues),
        metric: 'rate',
        unit: 'messages/s',
        limit: c(queues),
        targets: [{ of: to(how, 4), atLeast: 0.8 }, { of: c(queues) }],
      })),
    ),
  }
}

function creation(count, scaled) {
  const queues = { queues: count, topics: TOPICS }
  const row = (name, metric, targets) => ({ name, ours: 'append', metric, unit: 'queues/s', targets: [{ atLeast: 5000 }, ...targets] })
  return {
    name: `${counted(count)} new queues`,
    bytes: scaled(2 ** 29),
    candidates: {
      append: ours('queues', { how: 'create', body: 1024, ...queues }),
      'C, folders and files': limit('queues', { count, topics: TOPICS }),
      'Java, default': java({ work: 'create', body: 1024, warmup: scaled(1_000_000), count, topics: TOPICS }),
    },
    limit: 'C',
    rows: [
      row('the first message of each', 'rate', [{ of: 'C' }, { of: 'Java' }]),
      row('and flushed', 'flushedRate', [{ of: 'C', metric: 'syncedRate' }]),
    ],
  }
}

function opening(count, scaled) {
  return {
    name: `opening ${counted(count)} queues, closed properly, warm`,
    bytes: scaled(2 ** 29),
    candidates: {
      open: ours('queues', { how: 'open', body: 128, queues: count, topics: TOPICS, units: UNITS }),
      'C, folders and files': limit('queues', { count, topics: TOPICS, units: UNITS }),
    },
    limit: 'C',
    rows: [
      {
        name: 'open',
        ours: 'open',
        metric: 'milliseconds',
        unit: 'ms',
        targets: [{ below: 2000 }, { of: 'C', metric: 'readMilliseconds' }],
      },
      { name: "what it adds to the kernel's slab, a queue", ours: 'open', metric: 'slabBytes', unit: 'bytes', targets: [] },
    ],
  }
}

function flush(count, scaled) {
  return {
    name: `flush() of ${counted(count)} queues, a message more in each`,
    bytes: scaled(2 ** 29),
    candidates: {
      flush: ours('queues', { how: 'flush', body: 128, queues: count, topics: TOPICS, units: UNITS }),
      'C, syncfs': limit('queues', { count, topics: TOPICS, units: UNITS }),
    },
    limit: 'C',
    rows: [
      {
        name: 'flush',
        ours: 'flush',
        metric: 'milliseconds',
        unit: 'ms',
        targets: [{ below: 2000 }, { of: 'C', metric: 'syncMilliseconds', atMost: 2 }],
      },
    ],
  }
}

function memory(count, scaled, rest) {
  return {
    name: `memory of one of ${counted(count)} queues, after a rest`,
    bytes: scaled(2 ** 29),
    candidates: {
      store: ours('memory', { body: 128, count: UNITS * count, queues: count, topics: TOPICS, rest }),
      'C, folders and files': limit('queues', { count, topics: TOPICS, units: UNITS, rest }),
    },
    rows: [
      { name: 'of the process, page tables included', ours: 'store', metric: 'bytes', unit: 'bytes', targets: [{ below: 1024 }] },
      { name: "of the kernel's slab", ours: 'store', metric: 'slabBytes', unit: 'bytes', limit: 'C', targets: [{ of: 'C', atMost: 1.1 }] },
    ],
  }
}

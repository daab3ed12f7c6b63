// Works on big stores: an index file full of keys, a store made again from its log, and what one of ten GiB takes of memory.
import { programs } from '../build.mjs'
import { GIB, limit, ours, plain, recordBytes } from './trials.mjs'

/** What an index file of RocketMQ's default size holds. */
const INDEX_ENTRIES = 19_999_999

export function bigStores(scaled, scale) {
  return [keys(scaled), query(scaled, scale), rebuild(scaled), resident(scaled)]
}

/** Until an index file is full, warm-up included. */
function keys(scaled) {
  const count = scaled(Math.floor(INDEX_ENTRIES / 1.1))
  const all = { body: 128, count }
  const row = (how) => ({
    name: how === 'append' ? 'append, 1000 in flight' : 'appendBatch of 32',
    ours: `${how} with keys`,
    metric: 'rate',
    unit: 'messages/s',
    limit: 'C, with keys',
    targets: [{ of: `${how} without`, atLeast: 0.5 }, { of: 'C, with keys' }],
  })
  return {
    name: `append, 128 B, ${(INDEX_ENTRIES / 1e6).toFixed(0)} M keys in a file`,
    bytes: Math.min(count * 1.1 * recordBytes(128), 4 * GIB),
    candidates: {
      ...Object.fromEntries(
        ['append', 'appendBatch'].flatMap((how) => [
          [`${how} with keys`, ours('append', { how, ...all, keys: 1 })],
          [`${how} without`, ours('append', { how, ...all })],
        ]),
      ),
      'C, with keys': limit('append', { ...all, keys: 1, write: 'mapped' }),
      // The ratio that the bare loop has.
      'C, without': limit('append', { ...all, write: 'mapped' }),
    },
    rows: [
      ...['append', 'appendBatch'].map(row),
      { name: 'in C', ours: 'C, with keys', metric: 'rate', unit: 'messages/s', targets: [{ of: 'C, without' }] },
    ],
  }
}

function query(scaled, scale) {
  const count = scaled(INDEX_ENTRIES)
  const all = { body: 128, keys: 1, count, queries: scale === 1 ? 200 : 10 }
  const row = (name, metric) => ({ name, ours: 'messagesByKey', metric, unit: 'ms', targets: [{ below: 5 }, { of: 'C' }] })
  return {
    name: `query by key, ${(INDEX_ENTRIES / 1e6).toFixed(0)} M keys in a file, cold`,
    bytes: Math.min(count * recordBytes(128), 4 * GIB),
    candidates: {
      messagesByKey: ours('query', { ...all, limit: programs.limit, segment: scale === 1 ? GIB : GIB / 32 }),
      'C, a read each': limit('query', all),
    },
    limit: 'C',
    needs: ['limit'],
    rows: [row('median', 'p50'), row('99 % of them', 'p99')],
  }
}

function rebuild(scaled) {
  const bytes = scaled(2 * GIB)
  const all = { body: 1024, keys: 1 }
  return {
    name: `queues and index made again from a log of ${(bytes / GIB).toFixed(1)} GiB, warm`,
    bytes,
    candidates: {
      open: ours('rebuild', { ...all, bytes }),
      'C, the same': limit('rebuild', { ...all, count: Math.floor(bytes / recordBytes(1024)) }),
    },
    limit: 'C',
    rows: [{ name: 'open', ours: 'open', metric: 'bytesPerSecond', unit: 'bytes/s', targets: [{ atLeast: 500e6 }, { of: 'C' }] }],
  }
}

function resident(scaled) {
  const bytes = scaled(10 * GIB)
  return {
    name: `memory beyond the page cache, ${(bytes / GIB).toFixed(1)} GiB appended and pulled`,
    bytes: Math.min(bytes, 4 * GIB),
    candidates: {
      store: ours('resident', { body: 1024, bytes }),
      'floor: Node with the messages alone': plain('nothing', { how: 'pull', body: 1024, bytes }),
    },
    rows: [
      {
        name: 'the most of it at any time',
        ours: 'store',
        metric: 'bytes',
        unit: 'bytes',
        targets: [{ below: 150 * 2 ** 20 }, { of: 'floor' }],
      },
    ],
  }
}

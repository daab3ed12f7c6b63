// The table of what is measured: works, each with its candidates (a trial each, a process each) and the rows that compare them.
//
//   work.candidates  name → trial; every pair runs each of them once, in this order
//   work.bytes       what a trial writes (or its own `bytes`): so many page cache pages are used and given back before each
//   trial.turns      it takes turns with the others of the work that do (turns.mjs), and the rest run after them
//   work.rows        name, the candidate that is ours, the metric of its answer, and targets: a factor `of` a peer, or a value
//   row.limit        the machine's, where it is another than the work's
//   A target's `of` is a candidate's name, or the beginning of several ("java"): the best of them counts. `limit` is what the machine allows.
import { programs } from './build.mjs'
import { brokers } from './rows/broker.mjs'
import { manyQueues } from './rows/queues.mjs'
import { bigStores } from './rows/stores.mjs'
import { transfers } from './rows/transfer.mjs'
import { core, GIB, inTurns, java, kib, limit, node, ours, plain, recordBytes } from './rows/trials.mjs'

/** All works. `scale` (1 in full, less with --quick) multiplies counts, bytes and seconds. */
export function works({ scale = 1 } = {}) {
  const scaled = (count) => Math.max(1000, Math.round(count * scale))
  return [
    ...[1024, 128].flatMap((body) => [0, 1].map((keys) => burst(body, keys, scaled))),
    ...[0, 1].map((keys) => steady(keys, scaled)),
    syncAlone(scaled),
    ...[64, 1000].map((inFlight) => syncTogether(inFlight, scaled)),
    pull(scaled),
    workers(scaled, scale),
    ...[0, 1].map((cold) => recovery(cold, scaled)),
    paced(scale),
    ...manyQueues(scaled, scale),
    ...bigStores(scaled, scale),
    ...transfers(scaled),
    ...brokers(scaled, scale),
    raw(scaled),
  ]
}

function burst(body, keys, scaled) {
  const count = scaled(body === 1024 ? 2_000_000 : 4_000_000)
  const javaTimes = { warmup: scaled(1_000_000), count: scaled(4_000_000) }
  const javaBytes = { bytes: (javaTimes.warmup + javaTimes.count) * recordBytes(body) }
  const all = { body, keys }
  const slow = scaled(count / 5)
  return {
    name: `append, ${kib(body)}, ${keys ? 'keys' : 'no keys'}, burst`,
    bytes: count * 1.1 * recordBytes(body),
    candidates: {
      append: ours('append', { how: 'append', ...all, count }),
      appendBatch: ours('append', { how: 'appendBatch', ...all, count }),
      appendSync: ours('append', { how: 'appendSync', ...all, count }),
      'core, 1 a call': core('append', { ...all, count, batch: 1 }),
      'core, 32 a call': core('append', { ...all, count, batch: 32 }),
      'core, 1000 a call': core('append', { ...all, count, batch: 1000 }),
      'C, gathered pwrite': limit('append', { ...all, count, write: 'pwrite' }),
      'C, mapping': limit('append', { ...all, count, write: 'mapped' }),
      'Java, default': java({ ...all, ...javaTimes }, javaBytes),
      'Java, warmMapedFile': java({ ...all, ...javaTimes, warm: 1 }, javaBytes),
      'Node: lmdb, 1000 a transaction': node('lmdb', { ...all, style: 'transaction', count: slow }),
      'Node: lmdb, 1000 in flight': node('lmdb', { ...all, style: 'inFlight', count: slow }),
      'Node: lmdb, one by one': node('lmdb', { ...all, style: 'single', count: scaled(count / 20) }),
      'Node: classic-level, 1000 a batch': node('classic-level', { ...all, style: 'transaction', count: slow }),
      'Node: classic-level, 1000 in flight': node('classic-level', { ...all, style: 'inFlight', count: scaled(count / 20) }),
      'Node: better-sqlite3, 1000 a transaction': node('better-sqlite3', { ...all, style: 'transaction', count: slow }),
      'Node: better-sqlite3, one by one': node('better-sqlite3', { ...all, style: 'single', count: scaled(count / 20) }),
      'floor: fs.writeSync': plain('file', { ...all, count }),
      'floor: promises alone': plain('nothing', { ...all, how: 'append', count }),
      'floor: objects alone': plain('nothing', { ...all, how: 'appendBatch', count }),
    },
    limit: 'C',
    rows: [
      appendRow(
        'append',
        'append, 1000 in flight',
        { core: 'core, 1000 a call', floor: 'floor: promises alone' },
        body === 1024 ? { java: 3, node: 5, core: 0.8 } : { java: 1.5 },
      ),
      appendRow(
        'appendBatch',
        'appendBatch of 32',
        { core: 'core, 32 a call', floor: 'floor: objects alone' },
        body === 1024 ? { java: 3, node: 5, core: 0.8, c: 0.7 } : { java: 4, node: 5, core: 0.7 },
      ),
      appendRow(
        'appendSync',
        'appendSync',
        { core: 'core, 1 a call', floor: 'floor: fs.writeSync' },
        body === 1024 ? { java: 1.8, core: 0.8 } : { java: 1.5 },
      ),
    ],
  }
}

function appendRow(candidate, name, like, factors) {
  const of = { java: 'Java', node: 'Node', c: 'C', ...like }
  const targets = Object.entries(of).map(([peer, best]) => ({ of: best, ...(factors[peer] && { atLeast: factors[peer] }) }))
  return { name, ours: candidate, metric: 'rate', unit: 'messages/s', targets }
}

/** Far beyond the kernel's limit of dirty pages, all of it synced inside the time. */
function steady(keys, scaled) {
  const all = { body: 1024, keys }
  const count = scaled((20 * GIB) / recordBytes(1024))
  const bytes = count * recordBytes(1024)
  const targets = [
    { of: 'Java', atLeast: 1.5 },
    { of: 'C', atLeast: 0.9 },
  ]
  const row = (candidate, name) => ({ name, ours: candidate, metric: 'rate', unit: 'messages/s', targets })
  return {
    name: `append, 1 KiB, ${keys ? 'keys' : 'no keys'}, steady`,
    bytes: Math.min(bytes, 4 * GIB),
    candidates: {
      append: ours('append', { how: 'append', ...all, count, finish: 'sync' }),
      appendBatch: ours('append', { how: 'appendBatch', ...all, count, finish: 'sync' }),
      appendSync: ours('append', { how: 'appendSync', ...all, count, finish: 'sync' }),
      'C, the same bytes': limit('stream', { bytes, body: 1024 }),
      'Java, default': java({ ...all, work: 'stream', warmup: scaled(1_000_000), count }),
      'Java, warmMapedFile': java({ ...all, work: 'stream', warmup: scaled(1_000_000), count, warm: 1 }),
    },
    limit: 'C',
    rows: [row('append', 'append, 1000 in flight'), row('appendBatch', 'appendBatch of 32'), row('appendSync', 'appendSync')],
  }
}

function syncAlone(scaled) {
  const all = { body: 1024, flush: 'sync', count: scaled(20_000) }
  const slow = { ...all, count: scaled(3000) }
  const bare = (way) => inTurns(limit, 'sync', { ...all, way })
  return {
    name: 'sync flush, one at a time',
    bytes: 8 * 2 ** 26,
    candidates: {
      'bare: extend': bare('extend'),
      'bare: unwritten': bare('unwritten'),
      'bare: zeroed': bare('zeroed'),
      'bare: mapped': bare('mapped'),
      'handed over': bare('threads'),
      appendSync: inTurns(ours, 'append', { how: 'appendSync', ...all }),
      append: inTurns(ours, 'append', { how: 'append', inFlight: 1, ...all }),
      core: inTurns(core, 'append', { ...all, batch: 1 }),
      'Java, 1 thread': java({ ...slow, threads: 1, warmup: scaled(10_000) }),
      'Node: lmdb': node('lmdb', { ...slow, style: 'single' }),
      'Node: classic-level': node('classic-level', { ...slow, style: 'single' }),
      'Node: better-sqlite3': node('better-sqlite3', { ...slow, style: 'single' }),
      'floor: fs.writeSync, fs.fdatasyncSync': plain('file', { ...all, count: scaled(10_000) }),
    },
    limit: 'bare',
    rows: [
      {
        name: 'appendSync',
        ours: 'appendSync',
        metric: 'rate',
        unit: 'messages/s',
        targets: [{ of: 'bare', atLeast: 0.95 }, { of: 'core' }, { of: 'Java' }, { of: 'Node' }],
      },
      {
        name: 'append',
        ours: 'append',
        metric: 'rate',
        unit: 'messages/s',
        targets: [{ of: 'bare', atLeast: 0.8 }, { of: 'handed over' }, { of: 'Java' }, { of: 'Node' }],
      },
    ],
  }
}

function syncTogether(inFlight, scaled) {
  const all = { body: 1024, flush: 'sync', inFlight, count: scaled(inFlight * 500) }
  return {
    name: `sync flush, ${inFlight} in flight`,
    bytes: all.count * recordBytes(1024),
    candidates: {
      append: ours('append', { how: 'append', ...all }),
      'core, as many a call': core('append', { ...all, batch: inFlight }),
      [`Java, ${inFlight} threads`]: java({ ...all, threads: inFlight, count: scaled(100_000), warmup: scaled(50_000) }),
      'Node: lmdb, in flight': node('lmdb', { ...all, style: 'inFlight' }),
      'Node: lmdb, a transaction': node('lmdb', { ...all, style: 'transaction' }),
      'Node: classic-level, a batch': node('classic-level', { ...all, style: 'transaction' }),
      'Node: better-sqlite3, a transaction': node('better-sqlite3', { ...all, style: 'transaction' }),
    },
    limit: 'core',
    rows: [
      {
        name: 'append',
        ours: 'append',
        metric: 'rate',
        unit: 'messages/s',
        targets: [{ of: 'Java', atLeast: 2 }, { of: 'core' }, { of: 'Node' }],
      },
    ],
  }
}

function pull(scaled) {
  const all = { body: 1024, count: scaled(1_000_000) }
  const row = (name, candidate, targets) => ({ name, ours: candidate, metric: 'rate', unit: 'messages/s', targets })
  return {
    name: 'pull of 32 × 1 KiB, warm',
    bytes: all.count * recordBytes(1024),
    candidates: {
      ranges: ours('pull', { ...all, how: 'ranges' }),
      copied: ours('pull', { ...all, how: 'copied' }),
      fresh: ours('pull', { ...all, how: 'fresh' }),
      decoded: ours('pull', { ...all, how: 'decoded' }),
      'core, ranges': core('pull', { ...all, how: 'ranges' }),
      'core, copied': core('pull', { ...all, how: 'copied' }),
      'C, copied': limit('gather', { count: all.count, piece: recordBytes(1024) }),
      'Java, getMessage': java({ work: 'pull', body: 1024, warmup: all.count }),
      'Node: lmdb, getRange': node('lmdb', { ...all, work: 'pull' }),
    },
    limit: 'C',
    rows: [
      row('raw ranges', 'ranges', [{ of: 'Java', atLeast: 1 }, { of: 'core, ranges' }]),
      row('copied into one Buffer', 'copied', [{ of: 'Java', atLeast: 0.5 }, { of: 'C' }, { of: 'core, copied' }]),
      row('copied into a new Buffer each', 'fresh', [{ of: 'Java' }]),
      row('decoded', 'decoded', [{ of: 'Node', atLeast: 3 }]),
    ],
  }
}

function workers(scaled, scale) {
  const all = { body: 1024, count: scaled(400_000), seconds: Math.max(0.3, scale) }
  const writers = (threads) => limit('writers', { body: 1024, count: scaled(2_000_000), threads })
  const copiers = (threads) => limit('gather', { count: scaled(1_000_000), piece: recordBytes(1024), threads })
  const threads = (writers, readers) => ours('workers', { ...all, writers, readers })
  const row = (name, candidate, metric, targets) => ({ name, ours: candidate, metric, unit: 'messages/s', targets })
  return {
    name: 'workers on one store',
    bytes: 3 * GIB * Math.min(1, scale * 2),
    candidates: {
      'one appending': threads(1, 0),
      'two appending': threads(2, 0),
      'four appending': threads(4, 0),
      'one reading': threads(0, 1),
      'two reading': threads(0, 2),
      'one appending, three reading': threads(1, 3),
      'C, one writing': writers(1),
      'C, two writing': writers(2),
      'C, four writing': writers(4),
      'C, one copying': copiers(1),
      'C, two copying': copiers(2),
    },
    rows: [
      row('two appending', 'two appending', 'appends', [{ of: 'one appending', atLeast: 1 }]),
      row('four appending', 'four appending', 'appends', [{ of: 'one appending', atLeast: 1 }]),
      row('one appending, three reading: sum', 'one appending, three reading', 'sum', [{ of: 'one appending', atLeast: 1, metric: 'sum' }]),
      row('one appending, three reading: reads', 'one appending, three reading', 'reads', [{ of: 'one reading', atLeast: 1 }]),
      row('two reading', 'two reading', 'reads', [{ of: 'one reading', atLeast: 1.5 }]),
      // What threads get out of this machine where they share nothing but memory.
      row('in C: two writing', 'C, two writing', 'rate', [{ of: 'C, one writing', metric: 'rate' }]),
      row('in C: four writing', 'C, four writing', 'rate', [{ of: 'C, one writing', metric: 'rate' }]),
      row('in C: two copying', 'C, two copying', 'rate', [{ of: 'C, one copying', metric: 'rate' }]),
    ],
  }
}

function recovery(cold, scaled) {
  const bytes = Math.max(scaled(4 * GIB), 64 * 2 ** 20)
  return {
    name: `recovery after kill -9 of a ${(bytes / GIB).toFixed(1)} GiB store, ${cold ? 'cold' : 'warm'}`,
    bytes,
    candidates: {
      open: ours('recovery', { body: 1024, bytes, cold, limit: programs.limit }),
      ...(cold && { 'C: read, cached': limit('read', { bytes: bytes / 2, way: 'cached' }) }),
      ...(cold && { 'C: read, direct': limit('read', { bytes: bytes / 2, way: 'direct' }) }),
    },
    ...(cold && { limit: 'C' }),
    needs: ['limit'],
    rows: [
      {
        name: 'scan',
        ours: 'open',
        metric: 'bytesPerSecond',
        unit: 'bytes/s',
        targets: [{ atLeast: 1e9 }, ...(cold ? [{ of: 'C: read, cached' }, { of: 'C: read, direct' }] : [])],
      },
      { name: 'scanned, of what it may scan', ours: 'open', metric: 'scannedShare', unit: 'share', targets: [{ atMost: 1 }] },
    ],
  }
}

function paced(scale) {
  const all = { body: 1024, rate: 50e6, seconds: Math.max(2, 60 * scale) }
  return {
    name: '50 MB/s, open loop',
    restMs: 75_000 * scale, // a host is given 60 MB/s back
    candidates: { append: ours('paced', all), 'C, the same': limit('paced', all) },
    limit: 'C',
    rows: [
      { name: 'p99.9 from the intended start', ours: 'append', metric: 'p999', unit: 'ms', targets: [{ below: 1 }, { of: 'C' }] },
      { name: 'stalls over 20 ms', ours: 'append', metric: 'stalls', unit: 'stalls', targets: [{ of: 'C', atMost: 1 }] },
    ],
  }
}

/** No target: what the copies alone take. */
function raw(scaled) {
  const bytes = scaled(1e9)
  const row = (name) => ({ name, ours: name, metric: 'bytesPerSecond', unit: 'bytes/s', targets: [] })
  return {
    name: 'raw loops',
    bytes,
    candidates: {
      memcpy: limit('raw', { bytes, way: 'memcpy' }),
      'pwrite, 1 KiB': limit('raw', { bytes, way: 'pwrite' }),
      'pwrite, gathered': limit('raw', { bytes, way: 'gathered' }),
    },
    rows: ['memcpy', 'pwrite, 1 KiB', 'pwrite, gathered'].map(row),
  }
}

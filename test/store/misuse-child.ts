/** Calls every function of the addon with everything it does not expect; prints `survived` when the process has. Its argument is a directory. */
import { writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { MessageStore } from '#src/index.js'
import { type Binding, binding } from '#src/native/binding.js'
import { Random, seed } from '../support/random.js'
import { small } from './stores.js'

const [, , directory = ''] = process.argv
const random = new Random(seed)
type Any = (...args: unknown[]) => unknown

void run()

/** What a call ended with; a promise is waited for. */
async function attempt(what: string, work: () => unknown): Promise<'threw' | 'returned'> {
  try {
    const value = work()
    // A promise that never settles is no crash.
    await Promise.race([value, new Promise((resolve) => setTimeout(resolve, 200).unref())])
    return 'returned'
  } catch (error) {
    if (!(error instanceof Error)) throw new Error(`${what} threw ${String(error)}`)
    return 'threw'
  }
}

/** A view whose memory was taken away. */
function detached<T extends Uint8Array | Float64Array | ArrayBuffer>(value: T): T {
  const buffer = value instanceof ArrayBuffer ? value : (value.buffer as ArrayBuffer)
  structuredClone(buffer, { transfer: [buffer] })
  return value
}

async function run(): Promise<void> {
  writeSync(1, `MILLRACE_SEED=${seed}\n`)
  process.chdir(dirname(directory)) // where backups to odd names may lie
  const owner = await MessageStore.open(directory, { settings: small })
  await owner.appendBatch(Array.from({ length: 50 }, (_, i) => ({ topic: 'orders', keys: `k${i}`, body: `${i}` })))
  const { millraceStore } = owner.handle
  const store = binding.attach(millraceStore, () => {})
  const closed = binding.attach(millraceStore, () => {})
  const number = binding.queue(store, 'orders', 0, true)
  await binding.close(closed)
  const part = { path: `${directory}/commitlog`, work: `${directory}/work`, readOnly: true }
  const log = await binding.openLog(part)
  const index = await binding.openIndex({ ...part, path: `${directory}/index` })

  const values: unknown[] = [
    ...[
      undefined,
      null,
      true,
      false,
      0,
      1,
      -1,
      0.5,
      3,
      64,
      2 ** 31,
      2 ** 32 - 1,
      2 ** 53,
      -(2 ** 53),
      1e308,
      Number.NaN,
      Number.POSITIVE_INFINITY,
    ],
    ...[
      '',
      'orders',
      'k1',
      'x'.repeat(1 << 16),
      '\ud800',
      '../..',
      Symbol('s'),
      5n,
      () => {},
      {},
      [],
      ['a', 5],
      new Proxy({}, {}),
      Object.create(store),
    ],
    ...[store, closed, new Proxy(store, {}), binding.createTags(['Aa']), millraceStore, number],
    ...[
      new Float64Array(3),
      new Float64Array(2060),
      new Uint8Array(0),
      new Uint8Array(5),
      Buffer.from('bytes'),
      new DataView(new ArrayBuffer(8)),
      new ArrayBuffer(256),
    ],
    ...[
      new SharedArrayBuffer(64),
      new Uint8Array(new SharedArrayBuffer(4096)),
      detached(new ArrayBuffer(64)),
      detached(new Uint8Array(64)),
      detached(new Float64Array(64)),
    ],
    ...[
      { root: 5 },
      { root: '' },
      { root: directory, storeHost: 5 },
      { root: directory, storeHost: 'zz:1' },
      { root: directory, storeHost: '7f000001:1', faults: 'x:y' },
      ...[log, index, part, { ...part, faults: 'x:y' }, { ...part, queues: directory, topic: '..', queueId: -1 }],
    ],
  ]
  const sends = binding.createPlainRequests(store, { regionJson: '"r"', cluster: 'c', traceOn: true, maxBodyBytes: 100, version: 1 })
  const { constants: _, setErrorFactory: __, close: ___, hold: ____, deleteTopic, ...called } = binding as Binding & Record<string, Any>
  for (const [name, method] of Object.entries({ ...called, ...sends }) as [string, Any][]) {
    await attempt(name, () => method())
    await attempt(name, () => Reflect.apply(method, null, []))
    await attempt(name, () => Reflect.apply(method, 5, [store]))
    await attempt(name, () => Reflect.construct(method, [store]))
    for (const value of values) {
      await attempt(name, () => method(value))
      await attempt(name, () => method(store, value))
      await attempt(name, () => method(closed, value, value, value))
    }
    const pending: Promise<unknown>[] = []
    for (let i = 0; i < 300; i++) {
      const args = Array.from({ length: random.int(9) }, () => random.pick(values))
      if (random.chance(0.8)) args[0] = store
      pending.push(attempt(name, () => method(...args)))
    }
    await Promise.all(pending)
  }

  // All but the topic whose messages are looked for below.
  for (const value of values.filter((value) => value !== 'orders')) {
    await attempt('deleteTopic', () => (deleteTopic as Any)(value, value))
    await attempt('deleteTopic', () => (deleteTopic as Any)(store, value))
  }

  // The appender: blocks that lie about themselves, counts beyond them, a block that was taken away.
  for (const bytes of [0, 15, -1, 2 ** 31, Number.NaN, '64'])
    await attempt('createAppender', () => (binding as unknown as Record<string, Any>).createAppender?.(store, bytes))
  const { append, block } = binding.createAppender(store, 65536) as unknown as { append: Any; block: ArrayBuffer }
  const bytes = new Uint8Array(block)
  const head = new Int32Array(block)
  const first = binding.constants.blockHeadBytes
  const entry = new Int32Array(block, first)
  for (const [end, count] of [
    [0, 0],
    [0, 1],
    [-1, 1],
    [15, 1],
    [65537, 1],
    [80, -1],
    [65536, 1 << 24],
  ] as const)
    for (const args of [[], [5], [null], [detached(new Uint8Array(64))]]) {
      head.set([end, count, 0])
      await attempt('append', () => append(...args))
    }
  for (let i = 0; i < 20_000; i++) {
    bytes.set(random.bytes(200), first)
    if (random.chance(0.9)) entry[0] = 64 + 8 * random.int(32)
    if (random.chance(0.9)) entry[1] = number
    for (let field = 5; field < 10; field++)
      if (random.chance(0.7)) entry[field] = random.pick([0, 1, 4, 16, 255, 256, 4096, 0x404, 0x1010, -1, -2147483648, 2147483647])
    head.set([random.pick([0, 56, 72, 80, 216, 336, 65536]), random.int(4), random.int(8)])
    const args = random.chance(0.3) ? [random.pick(values)] : []
    await attempt('append', () => append(...args))
  }
  const proper = () => {
    entry.fill(0)
    entry.set([56, number])
    head.set([first + 56, 1, 0])
  }
  proper()
  if ((await attempt('append', () => append())) !== 'returned') throw new Error('a proper append was refused')
  const end = owner.maxLogOffset
  if ((await attempt('append', () => append())) !== 'returned' || owner.maxLogOffset !== end) throw new Error('a block was appended twice')
  proper()
  await attempt('transfer', () => structuredClone(block, { transfer: [block] })) // Node 22 refuses it
  if ((await attempt('append', () => append())) !== 'returned' || owner.maxLogOffset === end)
    throw new Error('what lay in a block that was taken away is gone')
  await binding.close(store)
  if ((await attempt('append', () => append())) !== 'threw') throw new Error('an append to a closed store went through')
  if ((await owner.pull({ topic: 'orders', queueId: 0, offset: 0 })).messages.length !== 20)
    throw new Error('the messages are not there any more')
  await owner.close()
  writeSync(1, 'survived\n')
  process.exit(0)
}

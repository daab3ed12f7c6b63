/** Table, manual, types and the core's own list of codes say the same. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { inspect } from 'node:util'
import t from 'tap'
import { type DetailsOf, nativeError, StoreError, type StoreErrorCode, storeError, storeErrorCodes } from '#src/errors.js'
import { binding } from '#src/native/binding.js'

const root = dirname(createRequire(import.meta.url).resolve('millrace/package.json'))
const manual = readFileSync(join(root, 'docs', 'errors.md'), 'utf8')
const reason = 'the reason'

/** The facts that each code needs. The type asks for every code, and for none that the table does not have. */
const samples: { readonly [C in StoreErrorCode]: DetailsOf<C> } = {
  INVALID_ARGUMENT: { what: 'topic', value: 5, allowed: 'a string' },
  INVALID_SETTING: { setting: 'maxIndexNum', value: 'x', allowed: 'a number' },
  MESSAGE_ILLEGAL: { reason, index: 3 },
  PROPERTIES_SIZE_EXCEEDED: { bytes: 40_000 },
  STORE_NOT_OPEN: { state: 'closing' },
  STORE_FAILED: { reason },
  STORE_READ_ONLY: { path: '/data' },
  STORE_LOCKED: { path: '/data', holder: 4711 },
  NO_STORE: { reason, path: '/data' },
  DLEDGER_STORE: { reason, path: '/data' },
  DISK_FULL: { reason, path: '/data', errno: 28 },
  SEGMENT_CREATE_FAILED: { reason },
  PAGECACHE_BUSY: { reason },
  PAGE_UNREADABLE: { reason, logOffset: 4096 },
  CORRUPT_LOG: { reason, logOffset: 4096 },
  CORRUPT_QUEUE: { reason },
  CORRUPT_CURSOR: { reason: 'Unexpected end of JSON input', path: '/data/millrace/cursors/billing.json' },
  CORRUPT_INDEX: { reason },
  CORRUPT_CHECKPOINT: { reason },
  FOREIGN_FILE: { reason },
  SEGMENT_SIZE_MISMATCH: { reason, foundBytes: 65536 },
  INDEX_SIZE_UNKNOWN: { reason },
  UNSAFE_PATH: { reason },
  SYNC_FAILED: { reason },
  IO_ERROR: { reason, errno: 5 },
  TOO_MANY_WAITING: { waiting: 100_000 },
  APPEND_GAP: { reason, logOffset: 4096 },
  BACKUP_MISMATCH: { reason, logOffset: 4096 },
  RANGE_GONE: { reason, logOffset: 4096 },
  TRANSFER_FAILED: { reason, errno: 32 },
  HANDLE_INVALID: { reason },
  ADDON_NOT_FOUND: { cause: new Error('not there') },
  UNSUPPORTED_COMPRESSION: { reason },
  BODY_CORRUPT: { reason, cause: new Error('bad stream') },
  RECORD_MALFORMED: { reason },
  UNKNOWN_ERROR: { reason },
}

const make = <C extends StoreErrorCode>(code: C) => storeError(code, samples[code])

t.test('the manual has a heading for each code, in the order of the table, and no other', async (t) => {
  t.same(
    [...manual.matchAll(/^## (.*)$/gm)].map((match) => match[1]),
    storeErrorCodes,
  )
})

t.test('each section of the manual says what it means and what to do', async (t) => {
  for (const section of manual.split('\n## ').slice(1)) t.match(section, /^[A-Z_]+\n\n[^*]{40,}\n\n\*\*What to do:\*\* .{10,}/s)
})

t.test('the manual has no code that does not exist', async (t) => {
  const outcomes = ['CREATE_MAPEDFILE_FAILED', 'OS_PAGECACHE_BUSY', 'FLUSH_DISK_TIMEOUT']
  const names = new Set(manual.match(/\b[A-Z]+(?:_[A-Z]+)+\b/g))
  t.same(
    [...names].filter((name) => !outcomes.includes(name) && !storeErrorCodes.includes(name as StoreErrorCode)),
    [],
  )
})

t.test('types and table have the same codes', async (t) => {
  t.same(Object.keys(samples), storeErrorCodes)
})

t.test('the core has no code that the table has not', async (t) => {
  const [ok, ...codes] = binding.constants.codes
  t.equal(ok, 'OK')
  t.same(
    codes.filter((code) => !storeErrorCodes.includes(code as StoreErrorCode)),
    [],
  )
})

t.test('an error says what was wrong, its facts are properties, and its advice follows', async (t) => {
  for (const code of storeErrorCodes) {
    const { cause, ...facts } = samples[code] as { cause?: unknown } & Record<string, unknown>
    const error = make(code)
    t.ok(error instanceof StoreError && error instanceof Error)
    t.match(error, { name: 'StoreError', code, ...facts })
    t.equal(error.cause, cause)
    t.match(error.message, /^.+\. [A-Z].+\.$/s, code)
    t.notMatch(error.message, /undefined|\[object|\.\./, code)
  }
})

t.test('a value is shown as what it is, and shortened', async (t) => {
  const message = (value: unknown) => storeError('INVALID_ARGUMENT', { what: 'topic', value, allowed: 'a string' }).message
  t.match(message('5'), "topic is '5'; allowed: a string. Correct the call.")
  t.match(message(5), 'topic is 5;')
  t.match(message({ a: { b: 1 } }), 'topic is { a: [Object] };')
  t.ok(message('x'.repeat(10_000)).length < 200)
})

t.test('a printed error shows its code and facts', async (t) => {
  const text = inspect(make('STORE_LOCKED'))
  t.match(text, /StoreError: \/data is open in process 4711\. .*code: 'STORE_LOCKED'.*holder: 4711/s)
})

t.test('an error of the core has its words, its path and its number under the number’s name', async (t) => {
  const error = nativeError('SEGMENT_SIZE_MISMATCH', 'has 10 bytes', '/data/commitlog/0', 10)
  t.match(error, { code: 'SEGMENT_SIZE_MISMATCH', reason: 'has 10 bytes', path: '/data/commitlog/0', foundBytes: 10 })
  t.match(error.message, /^\/data\/commitlog\/0: has 10 bytes\. Open the store with/)
  t.equal(nativeError('CORRUPT_LOG', reason, '/data', 4096).logOffset, 4096)
  t.equal(nativeError('STORE_LOCKED', reason, '/data', 4711).holder, 4711)
  t.equal(nativeError('MESSAGE_ILLEGAL', reason, undefined, 3).index, 3)
  t.equal(nativeError('IO_ERROR', reason, '/data', undefined, 5).errno, 5)
  t.notOk('logOffset' in nativeError('IO_ERROR', reason, '/data', undefined, 5))
})

t.test('a code of the core that the table does not know is UNKNOWN_ERROR', async (t) => {
  for (const code of ['NO_SUCH_CODE', 'toString', '']) t.equal(nativeError(code, reason).code, 'UNKNOWN_ERROR')
})

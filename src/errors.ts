/**
 * Everything that can go wrong, in one table: what a code says, and what to do about it. The core uses the same names (native/core/status.cc);
 * docs/errors.md has a heading for each. Match `error.code`, not the text.
 */
import { inspect } from 'node:util'

/** Facts about an error. Each is a property of the error where it is known. */
export interface StoreErrorDetails {
  /** The argument or field that was refused. */
  what?: string
  /** The setting that was refused. */
  setting?: string
  /** The value that was refused. */
  value?: unknown
  /** What would have been taken. */
  allowed?: string
  /** What was wrong, in words. */
  reason?: string
  /** The file or directory. */
  path?: string
  /** Byte in the whole log. */
  logOffset?: number
  /** Number of the message in the batch that was refused. */
  index?: number
  /** Size that was too large. */
  bytes?: number
  /** Size of the file that was found, to be used as the setting. */
  foundBytes?: number
  /** The life-cycle state that forbids the call. */
  state?: string
  /** Appends that wait. */
  waiting?: number
  /** Process id of the one who holds the lock, where the system tells it. */
  holder?: number
  /** The operating system's number, where a system call failed. */
  errno?: number
  cause?: unknown
}

interface Entry<D extends StoreErrorDetails> {
  readonly says: (details: D) => string
  readonly advice: string
  /** What the one number means that the core sends along; a log offset where nothing is said. */
  readonly number?: keyof StoreErrorDetails
}

type Reason = { reason: string; path?: string }
type Path = { path: string }

const located = ({ reason, path }: Reason): string => (path === undefined ? reason : `${path}: ${reason}`)
const entry = <D extends StoreErrorDetails>(says: (details: D) => string, advice: string, number?: keyof StoreErrorDetails): Entry<D> =>
  number === undefined ? { says, advice } : { says, advice, number }

const table = {
  INVALID_ARGUMENT: entry(
    ({ what, value, allowed }: { what: string; value: unknown; allowed: string }) => `${what} is ${show(value)}; allowed: ${allowed}`,
    'Correct the call',
  ),
  INVALID_SETTING: entry(
    ({ setting, value, allowed }: { setting: string; value: unknown; allowed: string }) =>
      `setting ${setting} is ${show(value)}; allowed: ${allowed}`,
    'Correct the settings file or the settings option',
  ),
  MESSAGE_ILLEGAL: entry(located, 'No RocketMQ store takes this message: change it', 'index'),
  PROPERTIES_SIZE_EXCEEDED: entry(
    ({ bytes }: { bytes: number }) => `the message's properties, tags and keys take ${bytes} bytes; 32767 are allowed`,
    'Move data from the properties into the body',
    'index',
  ),
  STORE_NOT_OPEN: entry(({ state }: { state: string }) => `the store is ${state}`, 'Call between open() and close(); open the store again'),
  STORE_FAILED: entry(
    located,
    'Nobody knows what of the last writes is on disk: repair what made the sync fail, close the store and open it again',
  ),
  STORE_READ_ONLY: entry(
    ({ path }: { path?: string }) => `${path === undefined ? 'the store' : path} is open for reading only`,
    'Open it without readOnly to write',
  ),
  STORE_LOCKED: entry(
    ({ path, holder }: Path & { holder?: number }) =>
      `${path} is open in ${holder === undefined ? 'another process' : `process ${holder}`}`,
    'Close it there first, or open it here with readOnly',
    'holder',
  ),
  NO_STORE: entry(located, 'Check the directory; opening it without readOnly makes a new store there'),
  DLEDGER_STORE: entry(located, 'Stores of DLedger brokers are not supported; copy the messages out with a RocketMQ broker'),
  DISK_FULL: entry(located, 'Nothing of the refused call was stored: free disk space and call again'),
  SEGMENT_CREATE_FAILED: entry(located, "Check the permissions and limits of the log's directory, then append again"),
  PAGECACHE_BUSY: entry(located, 'The disk does not keep up; nothing was stored: append again later, or raise osPageCacheBusyTimeOutMills'),
  PAGE_UNREADABLE: entry(located, 'The disk could not deliver or take the page (see the kernel log); copy the store to another disk'),
  CORRUPT_LOG: entry(
    located,
    "Restore the store from a copy, or open it with onCorruption 'readOnly' to save what is before the damage, or 'cut' to give up what is behind it",
  ),
  CORRUPT_QUEUE: entry(located, "Remove the queue's folder while the store is closed: opening rebuilds it from the log"),
  CORRUPT_CURSOR: entry(
    located,
    'Remove the file while the store is closed and seek to where reading shall go on, or restore it from a backup',
  ),
  CORRUPT_INDEX: entry(located, 'Open the store for writing with rebuildIndex: the index is built again from the log'),
  CORRUPT_CHECKPOINT: entry(located, 'Remove the file while the store is closed: opening then scans the whole log'),
  FOREIGN_FILE: entry(located, 'Move the file out of the store; RocketMQ too refuses to start with it'),
  SEGMENT_SIZE_MISMATCH: entry(
    located,
    'Open the store with the size its files have (mappedFileSizeCommitLog for the log, mappedFileSizeConsumeQueue for queues, mappedFileSizeConsumeQueueExt for their extensions)',
    'foundBytes',
  ),
  INDEX_SIZE_UNKNOWN: entry(
    located,
    'Open with the maxHashSlotNum and maxIndexNum the store was written with, or with rebuildIndex to build the index again',
    'foundBytes',
  ),
  UNSAFE_PATH: entry(
    located,
    'Nothing outside the store is touched: replace the symbolic link by what it points to, or the name by a legal one',
  ),
  SYNC_FAILED: entry(located, 'Appends that waited for it may be lost in a power cut: repair the disk, close the store and open it again'),
  IO_ERROR: entry(located, 'See the error number for the cause: permissions, limits or the disk'),
  TOO_MANY_WAITING: entry(
    ({ waiting }: { waiting: number }) => `${waiting} appends wait already`,
    "Wait for some to settle, raise maxWaitingAppends or maxWaitingBytes, or open with whenFull 'wait'",
  ),
  APPEND_GAP: entry(located, "Send the log's bytes from its end on: logOffset of the error"),
  BACKUP_MISMATCH: entry(located, 'Make the backup in a directory of its own, one for each store, and open copies of it elsewhere'),
  RANGE_GONE: entry(located, 'Retention has deleted it, or it was never there: pull again from the queue offset that the pull answers'),
  TRANSFER_FAILED: entry(located, 'What was sent of the answer nobody knows: close the connection; the other end asks again on a new one'),
  HANDLE_INVALID: entry(located, 'Attach with the handle of a store that is open in this process'),
  ADDON_NOT_FOUND: entry(
    (_: { cause: unknown }) => 'the native addon millrace.node was not found',
    'Build it with `npm rebuild millrace`, which needs a C++ compiler; the cause lists where it was looked for',
  ),
  UNSUPPORTED_COMPRESSION: entry(
    ({ reason }: { reason: string }) => reason,
    'Read the stored bytes with `body` and decompress them elsewhere',
  ),
  BODY_CORRUPT: entry(located, 'The producer sent a body that does not decompress, or the disk changed it; `body` has the stored bytes'),
  RECORD_MALFORMED: entry(located, 'These bytes are no record: check where they come from, or verify the store'),
  UNKNOWN_ERROR: entry(located, 'Whether the call took effect is unknown: look at the store before you repeat it'),
}

type Table = typeof table

/** The closed set of codes. */
export type StoreErrorCode = keyof Table

/** The facts that an error of a code needs, and any others that are known. */
export type DetailsOf<C extends StoreErrorCode> = Parameters<Table[C]['says']>[0] & StoreErrorDetails

/** All codes, in the table's order. */
export const storeErrorCodes: readonly StoreErrorCode[] = Object.keys(table) as StoreErrorCode[]

/** What the store throws and rejects with: what was wrong, which value, what to do. */
export class StoreError extends Error {
  readonly code: StoreErrorCode
  declare readonly what?: string
  declare readonly setting?: string
  declare readonly value?: unknown
  declare readonly allowed?: string
  declare readonly reason?: string
  declare readonly path?: string
  declare readonly logOffset?: number
  declare readonly index?: number
  declare readonly bytes?: number
  declare readonly foundBytes?: number
  declare readonly state?: string
  declare readonly waiting?: number
  declare readonly holder?: number
  declare readonly errno?: number

  constructor(code: StoreErrorCode, fact: string, details: StoreErrorDetails) {
    const { cause, ...properties } = details
    super(`${fact}. ${table[code].advice}.`, cause === undefined ? undefined : { cause })
    this.code = code
    for (const [name, value] of Object.entries(properties)) if (value !== undefined) Object.assign(this, { [name]: value })
  }

  static {
    StoreError.prototype.name = 'StoreError'
  }
}

export function storeError<C extends StoreErrorCode>(code: C, details: DetailsOf<C>): StoreError {
  return new StoreError(code, (table[code] as Entry<DetailsOf<C>>).says(details), details)
}

/** An error of the core, which says in words what was wrong. `number` is a log offset, or what the table says of the code. */
export function nativeError(code: string, reason: string, path?: string, number?: number, errno?: number): StoreError {
  const known = Object.hasOwn(table, code) ? (code as StoreErrorCode) : 'UNKNOWN_ERROR'
  const details: Record<string, unknown> = { reason, path, errno, [(table[known] as Entry<never>).number ?? 'logOffset']: number }
  return new StoreError(known, located(path === undefined ? { reason } : { reason, path }), details)
}

function show(value: unknown): string {
  return inspect(value, { depth: 0, maxStringLength: 80, maxArrayLength: 4, breakLength: Number.POSITIVE_INFINITY })
}

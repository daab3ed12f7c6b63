/**
 * Stores that RocketMQ wrote, with what RocketMQ says about them: test/fixtures/README.md. Each call unpacks a copy of its own, because opening a store
 * changes it; the copies go with the process.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { brotliDecompressSync } from 'node:zlib'
import { extract } from 'tar'
import { parseProperties, type StoreSettings, settingsFrom } from '#src/store/settings.js'

export const fixtures49 = [
  'broker-4.9',
  'clean-4.9',
  'consumequeue-ext-4.9',
  'crashed-4.9',
  'crashed-late-4.9',
  'empty-4.9',
  'ipv6-4.9',
  'lmq-4.9',
  'log-only-4.9',
  'torn-body-4.9',
  'torn-crc-4.9',
  'torn-garbage-4.9',
  'torn-header-4.9',
  'trimmed-4.9',
] as const
export const fixtures53 = ['basic-5.3', 'broker-5.3', 'clean-5.3', 'crashed-5.3'] as const
export const allFixtures = [...fixtures49, ...fixtures53] as const

export type FixtureName = (typeof allFixtures)[number]

export interface Fixture {
  /** The store's root, freshly unpacked. */
  readonly dir: string
  readonly settings: Partial<StoreSettings>
  /** The settings as a file. */
  readonly settingsFile: string
  readonly manifest: Manifest
}

/** What RocketMQ answers about the store, after it has opened and recovered it. */
export interface Manifest {
  readonly writer: string
  /** Status and reason of each message that the store did not take. */
  readonly refused?: readonly (readonly [status: string, what: string])[]
  readonly damage?: string
  /** What the log held before the damage. */
  readonly before?: { readonly log: LogBounds; readonly messages: number }
  /** The file as it lies; missing where the store has none. */
  readonly checkpoint?: Readonly<Record<string, number>>
  readonly recovered: {
    readonly lastExitOk: boolean
    readonly loads: boolean
    readonly log: Pick<LogBounds, 'minOffset' | 'maxOffset'>
    readonly queues: readonly QueueBounds[]
  }
  /** By release: what another one makes of the same files. Its queues are [topic, queueId, minOffset, maxOffset]. */
  readonly openedBy: Readonly<
    Record<string, { loads: boolean; log: LogBounds; messages: number; queues: (readonly [string, number, number, number])[] }>
  >
  readonly log: LogBounds
  readonly queues: readonly ManifestQueue[]
  /** In the order of the log. */
  readonly messages: readonly ManifestMessage[]
  readonly indexFiles: readonly ManifestIndexFile[]
  readonly queries: readonly ManifestQuery[]
  readonly offsetByTime: readonly {
    readonly topic: string
    readonly queueId: number
    readonly timestamp: number
    readonly offset: number
  }[]
  readonly reads: readonly ManifestRead[]
  /** The parsed files of `config/`, where a broker wrote the store. */
  readonly config?: Readonly<Record<string, unknown>>
}

export interface LogBounds {
  readonly minOffset: number
  readonly maxOffset: number
  readonly flushedOffset: number
}

export interface QueueBounds {
  readonly topic: string
  readonly queueId: number
  readonly minOffset: number
  readonly maxOffset: number
  readonly maxPhysicOffset: number
}

export interface ManifestQueue extends QueueBounds {
  /** From minOffset on. An extension unit adds its own tag code, store time and filter bits (hexadecimal, or null). */
  readonly entries: readonly (readonly [
    logOffset: number,
    size: number,
    tagCode: bigint,
    extensionTagCode?: bigint,
    extensionStoreTimestamp?: number,
    filterBits?: string | null,
  ])[]
}

export interface ManifestMessage {
  readonly topic: string
  readonly queueId: number
  readonly queueOffset: number
  readonly logOffset: number
  readonly storeSize: number
  readonly sysFlag: number
  readonly flag: number
  readonly bodyCrc: number
  readonly bodyLength: number
  readonly bodySha1: string
  /** Of the decompressed body, where the stored one is compressed. */
  readonly plainLength?: number
  readonly plainSha1?: string
  readonly bornTimestamp: number
  readonly bornHost: string
  readonly storeTimestamp: number
  readonly storeHost: string
  readonly reconsumeTimes: number
  readonly preparedTransactionOffset: number
  readonly properties: Readonly<Record<string, string>>
  readonly offsetMsgId: string
}

export interface ManifestIndexFile {
  /** A file that recovery made anew has a name of its own time. */
  readonly name: string
  readonly beginTimestamp: number
  readonly endTimestamp: number
  readonly beginPhyOffset: number
  readonly endPhyOffset: number
  readonly hashSlotCount: number
  readonly indexCount: number
}

export interface ManifestQuery {
  readonly topic: string
  readonly key: string
  readonly maxNum: number
  readonly begin: number
  readonly end: number
  readonly logOffsets: readonly number[]
}

export interface ManifestRead {
  readonly topic: string
  readonly queueId: number
  readonly offset: number
  readonly maxNums: number
  readonly tags: string | null
  readonly status: string
  readonly nextBeginOffset: number
  readonly minOffset: number
  readonly maxOffset: number
  readonly logOffsets: readonly number[]
}

const folder = join(dirname(createRequire(import.meta.url).resolve('millrace/package.json')), 'test', 'fixtures')
const unpacked: string[] = []

export function fixture(name: FixtureName): Fixture {
  const home = mkdtempSync(join(tmpdir(), `millrace-${name}-`))
  if (unpacked.push(home) === 1) process.on('exit', () => unpacked.forEach((path) => void rmSync(path, { recursive: true, force: true })))
  extract({ cwd: home, sync: true }).end(brotliDecompressSync(readFileSync(join(folder, `${name}.tar.br`))))
  const dir = join(home, 'store')
  // RocketMQ makes both when it starts, and an archive of files has no empty folders.
  for (const part of ['commitlog', 'consumequeue']) mkdirSync(join(dir, part), { recursive: true })
  const settingsFile = join(home, 'settings.properties')
  return {
    dir,
    settings: settingsFrom(parseProperties(readFileSync(settingsFile, 'utf8'))),
    settingsFile,
    manifest: parseManifest(readFileSync(join(home, 'manifest.json'), 'utf8')),
  }
}

/** Tag codes become bigints: addresses of extension units are beyond what a number holds, and JSON.parse would round them. */
export function parseManifest(text: string): Manifest {
  const marked = text.replace(/"(?:[^"\\]|\\.)*"|-?\d{16,}/g, (token) => (token.startsWith('"') ? token : `"\\u0000${token}"`))
  const manifest = JSON.parse(marked, (_, value) => (typeof value === 'string' && value.startsWith('\0') ? BigInt(value.slice(1)) : value))
  for (const { entries } of manifest.queues) {
    for (const entry of entries) {
      entry[2] = BigInt(entry[2])
      if (entry.length > 3) entry[3] = BigInt(entry[3])
    }
  }
  return manifest
}

/** Conversations between RocketMQ's own name server, broker, client and mqadmin, frame by frame: test/fixtures/README.md. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { brotliDecompressSync } from 'node:zlib'
import { Parser } from 'tar'

/** One frame, as the proxy saw it. */
export interface WireFrame {
  readonly n: number
  readonly from: string
  readonly to: string
  readonly code: number | null
  /** Of the request that it is or answers. */
  readonly request: number
  readonly language: string | number | null
  readonly version: number | null
  readonly opaque: number | null
  readonly flag: number | null
  readonly remark: string | null
  readonly extFields: Readonly<Record<string, unknown>> | null
  readonly serialize: 'JSON' | 'ROCKETMQ'
  readonly bodyLength: number
  /** The frame from its length field on, or its first 4,096 bytes where `cut`. */
  readonly hex: string
  readonly cut?: boolean
}

/** What a server did with bytes that no client should send. */
export interface Malformed {
  readonly to: string
  readonly name: string
  /** Hexadecimal, where it is short. */
  readonly sent?: string
  readonly sentLength: number
  readonly outcome: string
  readonly replies: readonly { code: number; opaque: number; remark?: string | null }[]
}

let files: Map<string, string> | undefined

function conversations(): Map<string, string> {
  if (files !== undefined) return files
  const read = new Map<string, string>()
  const folder = join(dirname(createRequire(import.meta.url).resolve('millrace/package.json')), 'test', 'fixtures')
  const parser = new Parser({
    onReadEntry: (entry) => {
      const chunks: Buffer[] = []
      entry.on('data', (chunk) => chunks.push(chunk))
      entry.on('end', () => read.set(entry.path.replace(/^wire\/|\.jsonl$/g, ''), Buffer.concat(chunks).toString()))
    },
  })
  parser.end(brotliDecompressSync(readFileSync(join(folder, 'wire.tar.br'))))
  files = read
  return read
}

const lines = <T>(text: string): T[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T)

/** Names of those that are frames of the remoting protocol. */
export function conversationNames(): string[] {
  return [...conversations().keys()].filter((name) => name !== 'malformed' && name !== 'ha').sort()
}

export function conversation(name: string): WireFrame[] {
  return lines(conversations().get(name) as string)
}

export function malformed(): Malformed[] {
  return lines(conversations().get('malformed') as string)
}

/**
 * Bodies as their producers meant them. zlib works off the event loop, as LZ4 does; Zstandard is decompressed in JavaScript on the caller's thread: Node
 * 20 has none, and the one of Node 22 takes a stream that is cut off for a whole one.
 */
import { promisify } from 'node:util'
import zlib from 'node:zlib'
import { decompress as decompressZstd } from 'fzstd'
import { storeError } from '../errors.js'
import { type Compression, compressionType } from '../format/sys-flag.js'

type Decompress = (body: Buffer) => Promise<Buffer>

const inflate: Decompress = promisify<Buffer, Buffer>(zlib.inflate)

const decompressors: Readonly<Record<Compression, Decompress>> = {
  zlib: inflate,
  zstd: async (body) => asBuffer(decompressZstd(body)),
  // Loaded with the first such body: its binary does not exist for every machine that Node runs on.
  lz4: async (body) => (await loadLz4()).decompressFrame(body),
}

/** What plainBody needs of a message. */
export interface StoredBody {
  readonly body: Buffer
  readonly sysFlag: number
  readonly logOffset: number
}

export async function plainBody({ body, sysFlag, logOffset }: StoredBody): Promise<Buffer> {
  const type = compressionType(sysFlag)
  if (type === undefined) return body
  if (typeof type === 'number')
    throw storeError('UNSUPPORTED_COMPRESSION', {
      reason: `the message's sysFlag names compression ${type}, which has no meaning`,
      logOffset,
    })
  try {
    // Not every library finds fault with nothing at all.
    if (body.length === 0) throw new Error('the body is empty')
    return await decompressors[type](body)
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'UNSUPPORTED_COMPRESSION') throw cause
    throw storeError('BODY_CORRUPT', { reason: `the body of the record at log offset ${logOffset} is no ${type} stream`, logOffset, cause })
  }
}

async function loadLz4(): Promise<typeof import('lz4-napi')> {
  try {
    return await import('lz4-napi')
  } catch (cause) {
    throw storeError('UNSUPPORTED_COMPRESSION', { reason: 'lz4-napi, which decompresses LZ4, does not load here', cause })
  }
}

function asBuffer({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length)
}

/** Bodies as their producers meant them, decompressed off the event loop: zlib and LZ4 on Node's pool, Zstandard in a thread of its own. */
import { promisify } from 'node:util'
import zlib from 'node:zlib'
import { StoreError, storeError } from '../errors.js'
import { type Compression, compressionType } from '../format/sys-flag.js'
import { decompressZstd } from './zstd.js'

type Decompress = (body: Buffer) => Promise<Buffer>

const inflate: Decompress = promisify<Buffer, Buffer>(zlib.inflate)

const decompressors: Readonly<Record<Compression, Decompress>> = {
  zlib: inflate,
  zstd: decompressZstd,
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
    if (cause instanceof StoreError) throw cause
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

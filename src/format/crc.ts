/** The checksum of a body: CRC-32 as in zlib, kept in 31 bits so that it is never negative. */
import { crc32 } from 'node:zlib'

export function bodyCrc(body: Uint8Array): number {
  return crc32(body) & 0x7fffffff
}

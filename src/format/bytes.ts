/** Big-endian integers of every RocketMQ file. Plain arithmetic on bytes: several times as fast as Buffer's own readers, which check their arguments. */

/** Signed 16 bits. */
export function int16(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16)) >> 16
}

/** Signed 32 bits. */
export function int32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
}

/** Signed 64 bits as a number: exact up to 2^53, which offsets and times stay below, rounded beyond. */
export function int64(bytes: Uint8Array, at: number): number {
  return int32(bytes, at) * 0x100000000 + (int32(bytes, at + 4) >>> 0)
}

/** Signed 64 bits, exact. */
export function bigInt64(bytes: Uint8Array, at: number): bigint {
  return (BigInt(int32(bytes, at)) << 32n) | BigInt(int32(bytes, at + 4) >>> 0)
}

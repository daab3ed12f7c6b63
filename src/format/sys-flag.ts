/** The bits of a record's sysFlag. */

export const SYS_FLAG_COMPRESSED = 0x1
/** The topic takes several tags a message; they are hashed as one string all the same. */
export const SYS_FLAG_MULTI_TAGS = 0x2
export const SYS_FLAG_BORN_HOST_V6 = 0x10
export const SYS_FLAG_STORE_HOST_V6 = 0x20

const TRANSACTION_MASK = 0xc
const TRANSACTIONS = ['none', 'prepared', 'commit', 'rollback'] as const

const COMPRESSION_MASK = 0x700
const COMPRESSION_SHIFT = 8
/** By number; producers older than the numbers left 0, and meant zlib. */
const COMPRESSIONS = ['zlib', 'lz4', 'zstd', 'zlib'] as const

export type TransactionType = (typeof TRANSACTIONS)[number]
export type Compression = (typeof COMPRESSIONS)[number]

/** Prepared and rollback records enter no queue; rollback records enter no index either. */
export function transactionType(sysFlag: number): TransactionType {
  return TRANSACTIONS[(sysFlag & TRANSACTION_MASK) >> 2]!
}

/** How the body is compressed: undefined when it is not, the number itself when nobody has given it a meaning. */
export function compressionType(sysFlag: number): Compression | number | undefined {
  if ((sysFlag & SYS_FLAG_COMPRESSED) === 0) return undefined
  const number = (sysFlag & COMPRESSION_MASK) >> COMPRESSION_SHIFT
  return COMPRESSIONS[number] ?? number
}

/**
 * A record's properties: `name 0x01 value`, joined by 0x02, in UTF-8 and without escapes. Read liberally, as RocketMQ does: the last 0x02 may be
 * there or not, what has no name or no value is passed over, a value may hold 0x01, and of two equal names the later one counts.
 */

/** RocketMQ's limit on all properties of a message together, in bytes; no character takes less than one. */
export const MAX_PROPERTY_BYTES = 32_767

const NAME_END = 0x01
const PROPERTY_END = 0x02

/** A property's name as bytes, for findProperty. */
export type PropertyName = Uint8Array

/** The properties that the store itself reads. */
export const TAGS: PropertyName = Buffer.from('TAGS')
export const KEYS: PropertyName = Buffer.from('KEYS')
export const UNIQUE_KEY: PropertyName = Buffer.from('UNIQ_KEY')

/** All properties, as an object without a prototype. */
export function readProperties(encoded: string): Record<string, string> {
  const properties: Record<string, string> = Object.create(null)
  for (let start = 0; start < encoded.length; ) {
    let end = encoded.indexOf('\u0002', start)
    if (end === -1) end = encoded.length
    const piece = encoded.slice(start, end)
    const split = piece.indexOf('\u0001')
    if (split > 0 && split < piece.length - 1) properties[piece.slice(0, split)] = piece.slice(split + 1)
    start = end + 1
  }
  return properties
}

/**
 * Start of a property's value in the property string from `start` to `end`, or -1; the value ends where `valueEnd` says.
 * Searched from the end, because the last one counts.
 */
export function findProperty(bytes: Uint8Array, start: number, end: number, name: PropertyName): number {
  const nameLength = name.length
  for (let pieceEnd = end; pieceEnd > start; ) {
    let piece = pieceEnd
    while (piece > start && bytes[piece - 1] !== PROPERTY_END) piece--
    const split = piece + nameLength
    if (split + 1 < pieceEnd && bytes[split] === NAME_END && startsWith(bytes, piece, name)) return split + 1
    pieceEnd = piece - 1
  }
  return -1
}

/** End of the value that begins at `at`, in a property string that ends at `end`. */
export function valueEnd(bytes: Uint8Array, at: number, end: number): number {
  let i = at
  while (i < end && bytes[i] !== PROPERTY_END) i++
  return i
}

/** The single keys of a `KEYS` property: one space between them, empty ones left out. */
export function splitKeys(keys: string | undefined): string[] {
  return keys === undefined ? [] : keys.split(' ').filter((key) => key !== '')
}

function startsWith(bytes: Uint8Array, at: number, name: PropertyName): boolean {
  for (let i = 0; i < name.length; i++) if (bytes[at + i] !== name[i]) return false
  return true
}

/**
 * Text that comes again and again: topics and tags. A string that was decoded before is found by its bytes, which costs a fraction of decoding and
 * keeps one string for thousands of messages. Of bounded size: each slot keeps the last string that fell into it.
 */

const SLOTS = 1024
const MAX_BYTES = 128

const texts: string[] = new Array(SLOTS).fill('')

/** The UTF-8 text of `bytes` from `start` to `end`. */
export function shortText(bytes: Buffer, start: number, end: number): string {
  const length = end - start
  if (length > MAX_BYTES) return bytes.toString('utf8', start, end)
  let hash = length
  for (let i = start; i < end; i++) hash = (Math.imul(hash, 31) + bytes[i]!) | 0
  const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1)
  const known = texts[slot]!
  if (known.length === length && equals(known, bytes, start)) return known
  const text = bytes.toString('utf8', start, end)
  // Only ASCII has as many code units as bytes, and can be compared without decoding.
  if (text.length === length) texts[slot] = text
  return text
}

function equals(text: string, bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== bytes[start + i]) return false
  return true
}

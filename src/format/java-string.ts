/** Java's String.hashCode, by which RocketMQ hashes tags and index keys. */

/** 32 bits, signed: `h = 31 * h + c` over the UTF-16 code units. */
export function javaHash(text: string): number {
  let hash = 0
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0
  return hash
}

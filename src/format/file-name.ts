/** Names of segments and queue files: the offset of their first byte, in 20 digits. Maker and parser side by side. */

const DIGITS = 20

export function fileName(offset: number): string {
  return String(offset).padStart(DIGITS, '0')
}

/** The offset, or undefined for what no store of ours or Java's names a file. */
export function parseFileName(name: string): number | undefined {
  const offset = /^\d{20}$/.test(name) ? Number(name) : undefined
  return Number.isSafeInteger(offset) ? offset : undefined
}

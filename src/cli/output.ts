/** What the commands print: lines to standard output no faster than they are read, complaints to standard error as one line each. */
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

const CHUNK_CHARACTERS = 64 << 10

/** Writes each line; rejects with EPIPE when nobody reads any more, after the source was told to stop. */
export async function printLines(lines: Iterable<string> | AsyncIterable<string>): Promise<void> {
  await pipeline(Readable.from(chunks(lines), { objectMode: false }), process.stdout, { end: false })
}

export function isClosedPipe(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EPIPE'
}

/** `millrace: CODE: what was wrong. What to do.` */
export function complain(what: unknown): void {
  process.stderr.write(
    `millrace: ${describe(what)
      .trim()
      .replace(/\s*\n\s*/g, ' ')}\n`,
  )
}

export function describe(what: unknown): string {
  if (!(what instanceof Error)) return String(what)
  const code = 'code' in what ? String(what.code) : ''
  return code === '' || what.message.startsWith(code) ? what.message : `${code}: ${what.message}`
}

async function* chunks(lines: Iterable<string> | AsyncIterable<string>): AsyncIterableIterator<string> {
  let chunk = ''
  for await (const line of lines) {
    chunk += `${line}\n`
    if (chunk.length < CHUNK_CHARACTERS) continue
    yield chunk
    chunk = ''
  }
  if (chunk !== '') yield chunk
}

/** What the commands print: lines to standard output no faster than they are read, complaints to standard error as one line each. */
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

const CHUNK_CHARACTERS = 64 << 10

/** Writes each line, many at once; rejects with EPIPE when nobody reads any more, after the source was told to stop. */
export async function printLines(lines: Iterable<string> | AsyncIterable<string>): Promise<void> {
  await print(chunks(lines))
}

/** The same for lines that come now and then: each is written at once. */
export async function printLinesAsTheyCome(lines: AsyncIterable<string>): Promise<void> {
  await print(
    (async function* () {
      for await (const line of lines) yield `${line}\n`
    })(),
  )
}

async function print(text: AsyncIterable<string>): Promise<void> {
  await pipeline(Readable.from(text, { objectMode: false }), process.stdout, { end: false })
}

/** How far something is, on standard error, where that is a terminal. */
export function progressLine(what: string): { show: (done: number, total: number) => void; clear: () => void } {
  const { stderr } = process
  if (!stderr.isTTY) return { show: () => {}, clear: () => {} }
  return {
    show: (done, total) => void stderr.write(`\r${what} ${total === 0 ? 100 : Math.floor((100 * done) / total)} %`),
    clear: () => void stderr.write('\r\u001b[K'),
  }
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

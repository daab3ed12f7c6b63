/** Lines of NDJSON from a stream of bytes, as many as have come at once, so that neither a slow nor a long input is held up or held in memory. */

const LF = 0x0a
const MAX_LINE_BYTES = 64 << 20

export interface Line {
  /** From 1. */
  readonly number: number
  readonly text: string
}

/** What is wrong with a line. */
export class LineError extends Error {
  constructor(
    readonly line: number,
    reason: string,
  ) {
    super(`line ${line}: ${reason}`)
  }
}

/** The whole lines of each chunk, blank ones left out. What a line can't be is thrown after the lines before it were given. */
export async function* lineGroups(input: AsyncIterable<Buffer>): AsyncIterableIterator<Line[]> {
  let number = 0
  let begun: Buffer[] = []
  let begunBytes = 0
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let failure: LineError | undefined
  const take = (bytes: Buffer, group: Line[]): void => {
    number++
    try {
      const text = decoder.decode(bytes).trim()
      if (text !== '') group.push({ number, text })
    } catch {
      failure = new LineError(number, 'it is no UTF-8')
    }
  }
  for await (const chunk of input) {
    const group: Line[] = []
    let start = 0
    for (let end = chunk.indexOf(LF); end >= 0 && failure === undefined; end = chunk.indexOf(LF, start)) {
      const piece = chunk.subarray(start, end)
      take(begun.length === 0 ? piece : Buffer.concat([...begun, piece]), group)
      begun = []
      begunBytes = 0
      start = end + 1
    }
    if (start < chunk.length) {
      begun.push(chunk.subarray(start))
      begunBytes += chunk.length - start
    }
    if (group.length > 0) yield group
    if (begunBytes > MAX_LINE_BYTES) failure ??= new LineError(number + 1, `it is longer than ${MAX_LINE_BYTES} bytes`)
    if (failure !== undefined) throw failure
  }
  const last: Line[] = []
  if (begunBytes > 0) take(Buffer.concat(begun), last)
  if (last.length > 0) yield last
  if (failure !== undefined) throw failure
}

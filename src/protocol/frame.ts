/**
 * The frames of RocketMQ's remoting protocol, cut out of a stream of bytes. No sockets: bytes in, frames out.
 *
 *   byte 0              4      5                8                   8 + header length
 *        ├ total length ┼ type ┼ header length  ┼ header            ┼ body             ┤   big-endian
 *
 * The total length counts what follows it. Type 0 is a JSON header, 1 the binary one.
 */

/** The length field included. */
export const MAX_FRAME_BYTES = 16 << 20
/** Properties take 32 KiB at most, and everything that is longer is in bodies: RocketMQ, which allows a header of a whole frame, sends none of this length. */
export const MAX_HEADER_BYTES = 1 << 20
const LENGTH_BYTES = 4
const HEAD_BYTES = 8
/** Pieces below this are put together: each on its own would take several times its bytes. */
const SMALL_BYTES = 1024
const TAIL_BYTES = 16 << 10
const NOTHING = Buffer.alloc(0)

export const JSON_HEADER = 0
export const BINARY_HEADER = 1
export type HeaderType = typeof JSON_HEADER | typeof BINARY_HEADER

export interface Frame {
  readonly type: HeaderType
  /** A view of what was pushed where that held it whole, like `body`. */
  readonly header: Buffer
  readonly body: Buffer
}

/** Bytes that are no frame, whatever may follow: the connection that they came from can't be read any further. */
export class FrameError extends Error {
  override readonly name = 'FrameError'
}

export class FrameReader {
  readonly #chunks: Buffer[] = []
  /** Of all chunks, from `#at` of the first on. */
  #bytes = 0
  #at = 0
  /** What the last chunk is a view of, when it was put together from small pieces, and how much of it is in use. */
  #tail: Buffer | undefined
  #tailUsed = 0

  /** Bytes that belong to no whole frame yet. */
  get pendingBytes(): number {
    return this.#bytes
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return
    if (this.#bytes > 0 && chunk.length < SMALL_BYTES) this.#pushSmall(chunk)
    else {
      this.#chunks.push(chunk)
      this.#tail = undefined
    }
    this.#bytes += chunk.length
  }

  #pushSmall(piece: Buffer): void {
    if (this.#tail === undefined || this.#tailUsed + piece.length > this.#tail.length) {
      this.#tail = Buffer.allocUnsafeSlow(TAIL_BYTES)
      this.#tailUsed = 0
      this.#chunks.push(this.#tail.subarray(0, 0))
    }
    const last = this.#chunks.pop() as Buffer
    piece.copy(this.#tail, this.#tailUsed)
    this.#tailUsed += piece.length
    this.#chunks.push(this.#tail.subarray(this.#tailUsed - piece.length - last.length, this.#tailUsed))
  }

  /** Bytes in one piece that begin with a whole frame; undefined when more must be pushed. What of them is done with is passed over by `skip`. */
  run(): Buffer | undefined {
    if (this.#bytes < HEAD_BYTES) return undefined
    const bytes = LENGTH_BYTES + this.#peek(LENGTH_BYTES).readInt32BE(0)
    if (bytes < HEAD_BYTES || bytes > MAX_FRAME_BYTES || this.#bytes < bytes) return undefined
    const first = this.#chunks[0] as Buffer
    if (first.length - this.#at >= bytes) return first.subarray(this.#at)
    const joined = this.#take(bytes)
    // What is left of the last chunk begins behind it.
    if (this.#at > 0) this.#chunks[0] = (this.#chunks[0] as Buffer).subarray(this.#at)
    this.#chunks.unshift(joined)
    this.#at = 0
    this.#bytes += bytes
    return joined
  }

  skip(bytes: number): void {
    this.#take(bytes)
  }

  /** All that is left, which somebody else puts together. */
  takeAll(): Buffer {
    return this.#bytes === 0 ? NOTHING : this.#take(this.#bytes)
  }

  /** The next frame that is whole, undefined when more must be pushed. Throws a FrameError as soon as the bytes can't be a frame, without waiting for its end. */
  next(): Frame | undefined {
    if (this.#bytes < LENGTH_BYTES) return undefined
    const total = this.#peek(LENGTH_BYTES).readInt32BE(0)
    if (total < HEAD_BYTES - LENGTH_BYTES) throw new FrameError(`a frame says that ${total} bytes follow; 4 are the least`)
    if (total > MAX_FRAME_BYTES - LENGTH_BYTES)
      throw new FrameError(`a frame of ${total + LENGTH_BYTES} bytes; ${MAX_FRAME_BYTES} are allowed`)
    if (this.#bytes < HEAD_BYTES) return undefined
    const word = this.#peek(HEAD_BYTES).readInt32BE(LENGTH_BYTES)
    const type = word >>> 24
    const headerBytes = word & 0xffffff
    if (type !== JSON_HEADER && type !== BINARY_HEADER) throw new FrameError(`a header of type ${type}; 0 and 1 are known`)
    if (headerBytes === 0) throw new FrameError('a frame without a header')
    if (headerBytes > MAX_HEADER_BYTES) throw new FrameError(`a header of ${headerBytes} bytes; ${MAX_HEADER_BYTES} are allowed`)
    if (headerBytes > total - LENGTH_BYTES)
      throw new FrameError(`a header of ${headerBytes} bytes in a frame in which ${total - LENGTH_BYTES} are left`)
    if (this.#bytes < LENGTH_BYTES + total) return undefined
    const whole = this.#take(LENGTH_BYTES + total)
    return { type, header: whole.subarray(HEAD_BYTES, HEAD_BYTES + headerBytes), body: whole.subarray(HEAD_BYTES + headerBytes) }
  }

  /** The next bytes, which are there; copied only where a chunk ends within them. */
  #peek(bytes: number): Buffer {
    const first = this.#chunks[0] as Buffer
    if (first.length - this.#at >= bytes) return first.subarray(this.#at, this.#at + bytes)
    const copy = Buffer.allocUnsafe(bytes)
    let got = 0
    for (let i = 0, at = this.#at; got < bytes; i++, at = 0) got += (this.#chunks[i] as Buffer).copy(copy, got, at, at + bytes - got)
    return copy
  }

  #take(bytes: number): Buffer {
    const taken = this.#peek(bytes)
    this.#bytes -= bytes
    let at = this.#at + bytes
    let gone = 0
    while (gone < this.#chunks.length && at >= (this.#chunks[gone] as Buffer).length) at -= (this.#chunks[gone++] as Buffer).length
    if (gone > 0) this.#chunks.splice(0, gone)
    this.#at = at
    return taken
  }
}

/** What goes in front of a body of so many bytes: length, type and header. Throws a FrameError for what no reader would take. */
export function frameHead(type: HeaderType, header: Uint8Array, bodyBytes: number): Buffer {
  if (header.length > MAX_HEADER_BYTES) throw new FrameError(`a header of ${header.length} bytes; ${MAX_HEADER_BYTES} are allowed`)
  if (HEAD_BYTES + header.length + bodyBytes > MAX_FRAME_BYTES)
    throw new FrameError(`a frame with a header of ${header.length} bytes and a body of ${bodyBytes}; ${MAX_FRAME_BYTES} are allowed`)
  const head = Buffer.allocUnsafe(HEAD_BYTES + header.length)
  head.writeInt32BE(HEAD_BYTES - LENGTH_BYTES + header.length + bodyBytes, 0)
  head.writeInt32BE((type << 24) | header.length, LENGTH_BYTES)
  head.set(header, HEAD_BYTES)
  return head
}

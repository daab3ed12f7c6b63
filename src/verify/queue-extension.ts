/** The extension of a queue as it lies: what its units point to where they have no tag code of their own. */
import { EXTENSION_HEAD_BYTES, type ExtensionUnit, readExtensionUnit } from '../format/queue-extension.js'
import { type NumberedFile, readPiece } from './files.js'

/** No unit is longer: its size is a signed 16-bit number. */
const WINDOW_BYTES = 32 << 10

export class ExtensionFiles {
  readonly #files: readonly NumberedFile[]
  #window: Buffer = Buffer.alloc(0)
  #windowFrom = 0

  constructor(files: readonly NumberedFile[]) {
    this.#files = files
  }

  /** The unit at a byte of the extension; undefined where none lies. */
  unit(offset: number): ExtensionUnit | undefined {
    const at = offset - this.#windowFrom
    // Their length is not known before: one that is cut off by the window's end is read again from its own beginning.
    const known = at >= 0 && at + EXTENSION_HEAD_BYTES <= this.#window.length ? readExtensionUnit(this.#window, at) : undefined
    if (known !== undefined) return known
    const file = this.#files.find(({ from, bytes }) => offset >= from && offset < from + bytes)
    if (file === undefined) return undefined
    const inFile = offset - file.from
    this.#window = readPiece(file.path, inFile, Math.min(WINDOW_BYTES, file.bytes - inFile))
    this.#windowFrom = offset
    return readExtensionUnit(this.#window)
  }
}

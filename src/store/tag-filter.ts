/**
 * A tag expression: `paid || refunded`, or `*` for everything. A queue unit has only the tag's hash, so a pull asks twice: the code in the unit, and of
 * the records that pass, the exact tag, because different tags can have one hash.
 */
import { storeError } from '../errors.js'
import { extensionOffset } from '../format/queue-unit.js'
import { tagHash } from '../format/tag-code.js'
import type { Message } from './message.js'
import type { MessageFilter } from './types.js'

const ALL = '*'

export class TagFilter implements MessageFilter {
  /** As written; `*` where nothing was. */
  readonly expression: string
  /** Everything matches, messages without a tag included. */
  readonly all: boolean
  /** Each tag once; empty when everything matches. */
  readonly tags: readonly string[]
  /** Their hashes, without duplicates. */
  readonly codes: Int32Array
  readonly #tags: ReadonlySet<string>

  /**
   * Tags separated by `||`; spaces around them and empty pieces do not count. `*`, the empty string and null match everything.
   * Throws INVALID_ARGUMENT for an expression that names no tag.
   */
  constructor(expression?: string | null) {
    if (expression !== undefined && expression !== null && typeof expression !== 'string')
      throw storeError('INVALID_ARGUMENT', { what: 'tags', value: expression, allowed: 'a tag expression' })
    this.expression = expression || ALL
    this.all = this.expression === ALL
    this.#tags = new Set(
      this.all
        ? []
        : this.expression
            .split('||')
            .map(trim)
            .filter((tag) => tag !== ''),
    )
    this.tags = [...this.#tags]
    this.codes = Int32Array.from(new Set(this.tags.map(tagHash)))
    if (!this.all && this.tags.length === 0)
      throw storeError('INVALID_ARGUMENT', { what: 'tags', value: expression, allowed: "tags such as 'paid || refunded', or '*'" })
  }

  /** By a unit's tag code: true when the record must be looked at. The code of an extension unit's address says nothing of the tag. */
  matchesTagCode(tagCode: bigint): boolean {
    return this.all || this.codes.includes(Number(BigInt.asIntN(32, tagCode))) || extensionOffset(tagCode) !== undefined
  }

  matchesMessage(message: Pick<Message, 'tags'>): boolean {
    if (this.all) return true
    const { tags } = message
    return tags !== undefined && this.#tags.has(tags)
  }
}

/** Java's: everything up to a space, at both ends. */
function trim(text: string): string {
  return text.replace(/^[\0- ]+|[\0- ]+$/g, '')
}

/** What is wrong with a store, as far as somebody wants to read it. */

export interface Finding {
  part: 'store' | 'log' | 'queue' | 'index' | 'checkpoint' | 'position'
  /** The file or folder, within the store. */
  path: string
  problem: string
  logOffset?: number
  queueOffset?: number
}

/** Log offsets [from, to) whose records could not be read: nothing is said of what points there. */
interface Unread {
  from: number
  to: number
}

export class Findings {
  readonly list: Finding[] = []
  readonly unread: Unread[] = []
  count = 0
  readonly #most: number

  constructor(most: number) {
    this.#most = most
  }

  add(finding: Finding): void {
    this.count++
    if (this.list.length < this.#most) this.list.push(finding)
  }

  isUnread(logOffset: number): boolean {
    return this.unread.some(({ from, to }) => logOffset >= from && logOffset < to)
  }
}

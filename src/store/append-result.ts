/** Where a message went. One small object an append; the id is made when asked for. */
import type { AppendResult, AppendStatus } from './types.js'

export class Appended implements AppendResult {
  status: AppendStatus
  readonly logOffset: number
  readonly queueOffset: number
  readonly size: number
  readonly storeTimestamp: number
  /** Store host as the id begins: address and port in upper-case hex. */
  readonly #hostHex: string

  constructor(status: AppendStatus, logOffset: number, queueOffset: number, size: number, storeTimestamp: number, hostHex: string) {
    this.status = status
    this.logOffset = logOffset
    this.queueOffset = queueOffset
    this.size = size
    this.storeTimestamp = storeTimestamp
    this.#hostHex = hostHex
  }

  get messageId(): string {
    return this.#hostHex + this.logOffset.toString(16).toUpperCase().padStart(16, '0')
  }
}

/** Where a message went. One small object an append; the id is made when asked for. */
import type { AppendResult, AppendStatus } from './types.js'

export class Appended implements AppendResult {
  constructor(
    public status: AppendStatus,
    readonly logOffset: number,
    readonly queueOffset: number,
    readonly size: number,
    readonly storeTimestamp: number,
    /** Store host as the id begins: address and port in upper-case hex. */
    private readonly hostHex: string
  ) {
    // Not part of the result: neither listed nor printed.
    Object.defineProperty(this, 'hostHex', { enumerable: false })
  }

  get messageId(): string {
    return this.hostHex + this.logOffset.toString(16).toUpperCase().padStart(16, '0')
  }
}

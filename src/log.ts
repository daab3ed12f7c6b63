/** Where a server says what it does: a pino logger, or anything like one. */
export interface Log {
  info(details: object, message: string): void
  warn(details: object, message: string): void
  error(details: object, message: string): void
}

export const NO_LOG: Log = { info: () => {}, warn: () => {}, error: () => {} }

/** What the commands have in common that run servers: settings from a file, a log on standard error, and going on until a signal. */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { InvalidArgumentError } from 'commander'
import type { Log } from '../log.js'
import { complain } from './output.js'

/** `file` is said in warnings. Unknown names are warned about, or refused where `strict`. */
export type OnUnknown = (name: string, meant: string | undefined) => void

export async function propertiesIn(config: string | undefined): Promise<Record<string, string>> {
  if (config === undefined) return {}
  const { parseProperties } = await import('../index.js')
  return parseProperties(await readFile(config, 'utf8'))
}

export function warnUnknown(config: string | undefined, whose: string, strict: boolean | undefined): OnUnknown | undefined {
  if (strict) return undefined
  return (name, meant) =>
    complain(`warning: ${config}: ${name} is no setting of a ${whose}${meant === undefined ? '' : `; is ${meant} meant?`}`)
}

export function warnWithoutEffect(settings: readonly { name: string; reason: string }[]): void {
  for (const { name, reason } of settings) complain(`warning: ${name} has no effect: ${reason}`)
}

/** One JSON object a line on standard error. */
export async function logger(level = 'warn'): Promise<Log> {
  const { pino } = await import('pino')
  const log: Log = pino({ level, name: 'millrace' }, pino.destination({ dest: 2, sync: true }))
  return log
}

/** SIGINT or SIGTERM. A second one ends the process at once. */
export async function untilStopped(): Promise<void> {
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
}

export function portNumber(text: string): number {
  const port = Number(text)
  if (!/^\d+$/.test(text) || port > 65535) throw new InvalidArgumentError('It must be a whole number up to 65535; 0 for one that is free.')
  return port
}

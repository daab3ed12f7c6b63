/** What every store command takes, and how it opens its store. */
import { readFile } from 'node:fs/promises'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { MessageStore, StoreOptions, StoreSettings } from '../index.js'
import { complain } from './output.js'

export interface CommonOptions {
  settings?: string
  onCorruption: 'refuse' | 'readOnly' | 'cut'
}

export function withSettings(command: Command): Command {
  return command.option(
    '--settings <file>',
    "properties file with RocketMQ's MessageStoreConfig names, as brokers have; file sizes are found without it",
  )
}

export function withStoreOptions(command: Command): Command {
  return withSettings(command).addOption(
    new Option('--on-corruption <what>', 'what to do about damage that is no torn tail: refuse it, read what lies before it, or cut it off')
      .choices(['refuse', 'readOnly', 'cut'])
      .default('refuse'),
  )
}

/** What a settings file says; nothing without one. */
export async function settingsOf(file: string | undefined): Promise<Partial<StoreSettings>> {
  if (file === undefined) return {}
  const { parseProperties, settingsFrom } = await import('../index.js')
  return settingsFrom(parseProperties(await readFile(file, 'utf8')))
}

/** Says on standard error what recovery cut off, unless the caller says it, and which messages could not be delivered. */
export async function openStore(
  directory: string,
  common: CommonOptions,
  options: StoreOptions,
  { silent = false } = {},
): Promise<MessageStore> {
  const { MessageStore } = await import('../index.js')
  const settings = await settingsOf(common.settings)
  const store = await MessageStore.open(directory, {
    ...options,
    settings,
    onCorruption: common.onCorruption,
    onDamage: ({ topic, queueId, queueOffset, reason }) =>
      complain(`warning: unit ${queueOffset} of queue ${queueId} of topic '${topic}' ${reason}; it is left out`),
  })
  const { torn } = store.recovery
  if (torn !== undefined && !store.readOnly && !silent)
    complain(`warning: cut ${torn.bytes} bytes off the log at ${torn.logOffset} (${torn.segment}): there lay ${torn.reason}`)
  return store
}

/** Opens it for reading only, and closes it whatever becomes of the work. */
export async function readStore<T>(directory: string, common: CommonOptions, work: (store: MessageStore) => Promise<T>): Promise<T> {
  const store = await openStore(directory, common, { readOnly: true })
  try {
    return await work(store)
  } finally {
    await store.close()
  }
}

/** Of commands that print NDJSON as it is: so that every store command takes it. */
export function withJsonLines(command: Command): Command {
  return command.option('--json', 'one JSON object a line, as it is without it')
}

/** Milliseconds since 1970, from a number of them or a date. */
export function time(text: string): number {
  const number = /^\d+$/.test(text) ? Number(text) : Date.parse(text)
  if (!Number.isSafeInteger(number))
    throw new InvalidArgumentError("It must be milliseconds since 1970, or a date such as '2026-11-29T08:00:00Z'.")
  return number
}

export function positiveNumber(text: string): number {
  const number = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number) || number === 0)
    throw new InvalidArgumentError('It must be a whole number from 1.')
  return number
}

export function wholeNumber(text: string): number {
  const number = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number)) throw new InvalidArgumentError('It must be a whole number from 0.')
  return number
}

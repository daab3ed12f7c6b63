/**
 * `millrace store append DIR`: messages from standard input. The lines that have come are appended together and waited for before more are read.
 * A bad line ends the work: all before it are in the store, nothing behind it is; closing makes them durable.
 */
import type { Command } from 'commander'
import type { MessageInput, MessageStore } from '../index.js'
import { parseMessage } from './message-line.js'
import { type Line, LineError, lineGroups } from './ndjson.js'
import { complain, describe, printLines } from './output.js'
import { type CommonOptions, openStore, withStoreOptions } from './store-options.js'

interface AppendOptions extends CommonOptions {
  json?: true
  topic?: string
}

const INTERRUPTED = 130

export function addStoreAppend(store: Command): Command {
  const command = store
    .command('append <dir>')
    .description('append messages from standard input, one JSON object a line; makes the store where there is none')
    .option('--topic <topic>', 'topic of lines that have none')
    .option('--json', 'one JSON object instead of a line')
    .addHelpText(
      'after',
      `
Fields of a line: topic, queueId (0), body (text) or bodyBase64, tags, keys (an array), properties (an object); further those that dump
prints: flag, sysFlag, bornTimestamp, bornHost, reconsumeTimes. What the store assigns (offsets, ids, store time and host) is left aside.

When the command ends, everything it counts is on disk, whatever the settings' flushDiskType. A bad line ends it with exit code 1 and the
line's number: the messages before that line are in the store, those behind it are not.`,
    )
  return withStoreOptions(command).action(async (directory: string, options: AppendOptions) => {
    const opened = await openStore(directory, options, {})
    const progress = { appended: 0 }
    let failure: unknown
    try {
      await appendLines(opened, process.stdin, options.topic, progress)
    } catch (error) {
      failure = error
    }
    try {
      await opened.close()
    } catch (error) {
      // What was appended is in the log, but whether the disk has it nobody knows: this matters more than a bad line.
      if (failure !== undefined) complain(failure)
      throw error
    }
    const count = `${progress.appended} ${progress.appended === 1 ? 'message' : 'messages'}`
    if (failure !== undefined) throw new Error(`${describe(failure).replace(/\.?$/, '.')} Appended before it: ${count}.`)
    await printLines([options.json ? JSON.stringify({ appended: progress.appended }) : `appended ${count}`])
  })
}

async function appendLines(
  store: MessageStore,
  input: NodeJS.ReadStream,
  topic: string | undefined,
  progress: { appended: number },
): Promise<void> {
  const interrupt = (): void => {
    process.exitCode = INTERRUPTED
    input.destroy()
  }
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  try {
    for await (const group of lineGroups(input)) await appendGroup(store, group, topic, progress)
  } catch (error) {
    if (process.exitCode !== INTERRUPTED) throw error
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
    input.destroy()
  }
}

async function appendGroup(store: MessageStore, group: Line[], topic: string | undefined, progress: { appended: number }): Promise<void> {
  const messages: MessageInput[] = []
  let failure: unknown
  for (const line of group) {
    try {
      messages.push(parseMessage(line, topic))
    } catch (error) {
      failure = error
      break
    }
  }
  try {
    progress.appended += (await store.appendBatch(messages)).length
  } catch (error) {
    const index = (error as { index?: number }).index
    const first = group[index ?? 0] as Line
    failure = new LineError(first.number, describe(error))
    // A batch with a refused message is refused whole: the good ones before it go in without it.
    if (index !== undefined && index > 0) progress.appended += (await store.appendBatch(messages.slice(0, index))).length
  }
  if (failure !== undefined) throw failure
}

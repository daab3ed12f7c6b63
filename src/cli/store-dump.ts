/** `millrace store dump DIR`: messages as NDJSON, without changing the store. `store append` takes its lines. */
import type { Command } from 'commander'
import type { Message, MessageStore } from '../index.js'
import { lineOf } from './dumped-line.js'
import { printLines } from './output.js'
import { type CommonOptions, readStore, wholeNumber, withJsonLines, withStoreOptions } from './store-options.js'

interface DumpOptions extends CommonOptions {
  topic?: string
  queue?: number
  from?: number
  limit?: number
  tags?: string
  plain?: true
}

export function addStoreDump(store: Command): Command {
  const command = store
    .command('dump <dir>')
    .description('print messages, one JSON object a line; opens for reading only, also while a program writes')
    .option('--topic <topic>', 'messages of its queues, one queue after the other; without it every record of the log, in its order')
    .option('--queue <id>', 'this queue of the topic alone', wholeNumber)
    .option('--from <offset>', 'start at this queue offset; without --topic at the record that begins at this log offset', wholeNumber)
    .option('--limit <count>', 'stop after so many messages', wholeNumber)
    .option('--tags <expression>', "only messages with one of these tags: 'paid || refunded'")
    .option('--plain', 'decompress bodies; without it they are printed as stored, so that append can store the same again')
    .addHelpText('after', '\nA body that is no UTF-8 text is printed as bodyBase64.')
  return withStoreOptions(withJsonLines(command)).action(async (directory: string, options: DumpOptions) => {
    if (options.queue !== undefined && options.topic === undefined) command.error('--queue needs --topic')
    await readStore(directory, options, (opened) => printLines(lines(selected(opened, options), options)))
  })
}

async function* lines(
  messages: AsyncIterable<Message>,
  { limit = Number.POSITIVE_INFINITY, plain }: DumpOptions,
): AsyncIterableIterator<string> {
  if (limit === 0) return
  let printed = 0
  for await (const message of messages) {
    yield await lineOf(message, plain === true)
    if (++printed >= limit) return
  }
}

async function* selected(store: MessageStore, { topic, queue, from, tags }: DumpOptions): AsyncIterableIterator<Message> {
  const range = from === undefined ? {} : { from }
  if (topic === undefined) {
    const { TagFilter } = await import('../index.js')
    const filter = new TagFilter(tags)
    try {
      for await (const message of store.records(range)) if (filter.matchesMessage(message)) yield message
    } catch (error) {
      const { code, logOffset } = error as { code?: string; logOffset?: number }
      if (code === 'CORRUPT_LOG' && logOffset === from) throw new Error(`no record begins at log offset ${from}`)
      throw error
    }
    return
  }
  const queues = store.queues(topic).filter(({ queueId }) => queue === undefined || queueId === queue)
  if (queues.length === 0) throw new Error(`${store.directory} has no ${queue === undefined ? '' : `queue ${queue} of `}topic '${topic}'`)
  queues.sort((a, b) => a.queueId - b.queueId)
  for (const { queueId } of queues) yield* store.messages({ topic, queueId, ...range, ...(tags === undefined ? {} : { tags }) })
}

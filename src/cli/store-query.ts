/** `millrace store query DIR`: messages by key, by id, or from a time on, as NDJSON. */
import type { Command } from 'commander'
import type { Message, MessageStore } from '../index.js'
import { lineOf } from './dumped-line.js'
import { printLines } from './output.js'
import { type CommonOptions, readStore, time, wholeNumber, withJsonLines, withStoreOptions } from './store-options.js'

interface QueryOptions extends CommonOptions {
  topic?: string
  key?: string
  id?: string
  queue?: number
  time?: number
  from?: number
  to?: number
  limit?: number
  plain?: true
}

export function addStoreQuery(store: Command): Command {
  const command = store
    .command('query <dir>')
    .description('find messages by key, by message id, or by store time; prints them as dump does')
    .option('--topic <topic>', 'their topic')
    .option('--key <key>', 'messages of the topic with this key or unique id, the newest first')
    .option('--id <id>', 'the message with this id: an offset message id, or with --topic a unique id')
    .option('--time <time>', 'of each queue of the topic the first message that was stored then or later', time)
    .option('--queue <id>', 'with --time this queue alone', wholeNumber)
    .option('--from <time>', 'with --key: stored then or later', time)
    .option('--to <time>', 'with --key: stored then or earlier', time)
    .option('--limit <count>', 'with --key: at most so many (64)', wholeNumber)
    .option('--plain', 'decompress bodies')
    .addHelpText('after', '\nTimes are milliseconds since 1970, or dates as in 2026-11-29T08:00:00Z.')
  return withStoreOptions(withJsonLines(command)).action(async (directory: string, options: QueryOptions) => {
    const ways = [options.key, options.id, options.time].filter((way) => way !== undefined)
    if (ways.length !== 1) command.error('one of --key, --id and --time is needed')
    if (options.topic === undefined && options.id === undefined) command.error('--topic is needed')
    await readStore(directory, options, async (opened) => {
      const messages = await found(opened, options)
      await printLines(await Promise.all(messages.map((message) => lineOf(message, options.plain === true))))
    })
  })
}

async function found(store: MessageStore, { topic = '', key, id, queue, time, from, to, limit }: QueryOptions): Promise<Message[]> {
  const range = { ...(from !== undefined && { begin: from }), ...(to !== undefined && { end: to }), ...(limit !== undefined && { limit }) }
  if (key !== undefined) return store.messagesByKey({ topic, key, ...range })
  if (id !== undefined) {
    if (topic !== '') return store.messagesByKey({ topic, key: id })
    const message = await store.messageById(id)
    return message === undefined ? [] : [message]
  }
  const messages: Message[] = []
  for (const { queueId } of store.queues(topic).sort((a, b) => a.queueId - b.queueId)) {
    if (queue !== undefined && queueId !== queue) continue
    const offset = await store.offsetByTime({ topic, queueId, time: time as number })
    messages.push(...(await store.pull({ topic, queueId, offset, maxMessages: 1 })).messages)
  }
  return messages
}

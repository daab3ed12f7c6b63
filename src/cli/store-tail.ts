/** `millrace store tail DIR`: the newest messages of a topic, and with --follow those that come. */
import type { Command } from 'commander'
import type { Message, MessageStore } from '../index.js'
import { lineOf } from './dumped-line.js'
import { printLinesAsTheyCome } from './output.js'
import { type CommonOptions, readStore, wholeNumber, withJsonLines, withStoreOptions } from './store-options.js'

interface TailOptions extends CommonOptions {
  topic: string
  queue?: number
  lines: number
  follow?: true
  plain?: true
}

const LOOK_MS = 100

export function addStoreTail(store: Command): Command {
  const command = store
    .command('tail <dir>')
    .description("print a topic's newest messages as dump does; with --follow also those that a program appends from now on")
    .requiredOption('--topic <topic>', 'the topic')
    .option('--queue <id>', 'this queue alone', wholeNumber)
    .option('-n, --lines <count>', 'so many of each queue', wholeNumber, 10)
    .option('-f, --follow', 'wait for more, until interrupted')
    .option('--plain', 'decompress bodies')
  return withStoreOptions(withJsonLines(command)).action((directory: string, options: TailOptions) =>
    readStore(directory, options, (opened) => printLinesAsTheyCome(lines(opened, options))),
  )
}

async function* lines(store: MessageStore, options: TailOptions): AsyncIterableIterator<string> {
  let stopped = false
  const stop = () => {
    stopped = true
  }
  process.once('SIGINT', stop).once('SIGTERM', stop)
  const at = new Map<number, number>()
  let followed = false
  try {
    while (!stopped) {
      let quiet = true
      for (const { queueId, minOffset, maxOffset } of store.queues(options.topic)) {
        if (options.queue !== undefined && queueId !== options.queue) continue
        // A queue that appears while it is followed is printed from its beginning.
        const from = at.get(queueId) ?? (followed ? minOffset : Math.max(minOffset, maxOffset - options.lines))
        at.set(queueId, maxOffset)
        if (from >= maxOffset) continue
        quiet = false
        for await (const message of upTo(store, options.topic, queueId, from, maxOffset))
          yield await lineOf(message, options.plain === true)
      }
      if (options.follow === undefined) return
      followed = true
      if (quiet) await new Promise((wake) => setTimeout(wake, LOOK_MS))
    }
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop)
  }
}

async function* upTo(store: MessageStore, topic: string, queueId: number, from: number, to: number): AsyncIterableIterator<Message> {
  for await (const message of store.messages({ topic, queueId, from })) {
    if ((message.queueOffsetIn(topic, queueId) as number) >= to) return
    yield message
  }
}

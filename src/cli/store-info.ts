/** `millrace store info DIR`: what lies in a store, without changing it. */
import type { Command } from 'commander'
import type { MessageStore, QueueInfo } from '../index.js'
import { printLines } from './output.js'
import { type CommonOptions, readStore, withStoreOptions } from './store-options.js'

interface InfoOptions extends CommonOptions {
  json?: true
}

export function addStoreInfo(store: Command): Command {
  const command = store
    .command('info <dir>')
    .description('print the bounds of the log and of every queue; opens for reading only, also while a program writes')
    .option('--json', 'one JSON object instead of a table')
  return withStoreOptions(command).action((directory: string, options: InfoOptions) =>
    readStore(directory, options, (opened) => printLines(options.json ? [JSON.stringify(facts(opened))] : table(opened))),
  )
}

function facts(store: MessageStore) {
  const { cleanBefore, torn } = store.recovery
  return {
    directory: store.directory,
    minLogOffset: store.minLogOffset,
    maxLogOffset: store.maxLogOffset,
    segmentBytes: store.commitLog.segmentBytes,
    closedProperly: cleanBefore,
    torn: torn ?? null,
    queues: sorted(store.queues()),
  }
}

function* table(store: MessageStore): IterableIterator<string> {
  const { minLogOffset, maxLogOffset, segmentBytes, closedProperly, torn, queues } = facts(store)
  const topics = new Set(queues.map(({ topic }) => topic))
  const width = Math.max(5, ...queues.map(({ topic }) => topic.length))
  const row = (topic: string, ...cells: (string | number)[]) =>
    topic.padEnd(width) + cells.map((cell) => String(cell).padStart(12)).join('')
  yield `directory  ${store.directory}`
  yield `log        ${minLogOffset} to ${maxLogOffset}, segments of ${segmentBytes} bytes`
  yield `state      ${closedProperly ? 'closed properly' : 'open in a program, or left by a crash'}`
  if (torn !== undefined && torn !== null)
    yield `damage     ${torn.reason} at log offset ${torn.logOffset}, ${torn.bytes} bytes (${torn.segment})`
  yield `queues     ${queues.length} of ${topics.size} topics`
  if (queues.length === 0) return
  yield ''
  yield row('topic', 'queue', 'min', 'max', 'messages')
  for (const { topic, queueId, minOffset, maxOffset } of queues) yield row(topic, queueId, minOffset, maxOffset, maxOffset - minOffset)
}

function sorted(queues: QueueInfo[]): QueueInfo[] {
  return queues.sort((a, b) => (a.topic === b.topic ? a.queueId - b.queueId : a.topic < b.topic ? -1 : 1))
}

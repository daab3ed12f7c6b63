/** `millrace store info DIR`: what lies in a store, without changing it. */
import { join } from 'node:path'
import type { Command } from 'commander'
import type { MessageStore, QueueInfo, TimeSpan } from '../index.js'
import { drawQueues, drawSegments, type Segment, terminalWidth } from './drawing.js'
import { filesIn, type Sizes, sizesOf } from './file-sizes.js'
import { printLines } from './output.js'
import { type CommonOptions, readStore, settingsOf, withStoreOptions } from './store-options.js'
import { amount, bytes, grouped, span } from './units.js'

interface InfoOptions extends CommonOptions {
  json?: true
  times?: true
}

export function addStoreInfo(store: Command): Command {
  const command = store
    .command('info <dir>')
    .description('print bounds, sizes and times of the log and of every queue; opens for reading only, also while a program writes')
    .option('--times', 'of each queue also when its first and its last message were stored')
    .option('--json', 'one JSON object instead of a table')
    .addHelpText(
      'after',
      '\nMessages are counted in queues. Rates are over the time from the first to the last message that is still there.',
    )
  return withStoreOptions(command).action((directory: string, options: InfoOptions) =>
    readStore(directory, options, async (opened) => {
      const found = await facts(opened, options)
      await printLines(options.json ? [JSON.stringify(found)] : table(opened, found))
    }),
  )
}

interface Queue extends QueueInfo {
  messages: number
  /** With --times. */
  timeSpan?: TimeSpan | null
}

async function facts(store: MessageStore, { settings, times }: InfoOptions) {
  const { cleanBefore, torn } = store.recovery
  const { storePathCommitLog } = await settingsOf(settings)
  const { directory } = store
  const logFiles = await filesIn(storePathCommitLog || join(directory, 'commitlog'))
  const queues: Queue[] = sorted(store.queues()).map((queue) => ({ ...queue, messages: queue.maxOffset - queue.minOffset }))
  if (times) for (const queue of queues) queue.timeSpan = (await store.timeSpan(queue)) ?? null
  const timeSpan = await store.timeSpan()
  const { minLogOffset, maxLogOffset } = store
  const messages = queues.reduce((sum, queue) => sum + queue.messages, 0)
  const logBytes = maxLogOffset - minLogOffset
  const milliseconds = timeSpan === undefined ? 0 : timeSpan.latest - timeSpan.earliest
  const perSecond = (count: number) => (milliseconds === 0 ? null : (1000 * count) / milliseconds)
  return {
    directory,
    minLogOffset,
    maxLogOffset,
    segmentBytes: store.commitLog.segmentBytes,
    closedProperly: cleanBefore,
    torn: torn ?? null,
    sizes: {
      log: sizesOf(logFiles),
      queues: sizesOf(await filesIn(join(directory, 'consumequeue'), 2)),
      index: sizesOf(await filesIn(join(directory, 'index'))),
    },
    segments: logFiles.map(({ name, bytes: length, modified }): Segment => {
      const logOffset = Number(name)
      const filled = Math.min(length, Math.max(0, maxLogOffset - logOffset))
      return { logOffset, bytes: length, filled, modified: Math.round(modified) }
    }),
    timeSpan: timeSpan ?? null,
    messages,
    averageRecordBytes: messages === 0 ? null : logBytes / messages,
    messagesPerSecond: perSecond(messages),
    bytesPerSecond: perSecond(logBytes),
    queues,
  }
}

type Facts = Awaited<ReturnType<typeof facts>>

function* table(store: MessageStore, found: Facts): IterableIterator<string> {
  const { minLogOffset, maxLogOffset, segmentBytes, closedProperly, torn, queues, sizes, segments } = found
  const topics = new Set(queues.map(({ topic }) => topic))
  yield `directory  ${store.directory}`
  yield `log        ${minLogOffset} to ${maxLogOffset}, segments of ${segmentBytes} bytes`
  yield `           ${inWords(sizes.log)}`
  yield `state      ${closedProperly ? 'closed properly' : 'open in a program, or left by a crash'}`
  if (torn !== null) yield `damage     ${torn.reason} at log offset ${torn.logOffset}, ${torn.bytes} bytes (${torn.segment})`
  yield `queues     ${queues.length} of ${topics.size} topics`
  yield `           ${inWords(sizes.queues)}`
  yield `index      ${inWords(sizes.index)}`
  yield* content(found)
  if (queues.length > 0) {
    yield ''
    yield* queueTable(queues)
  }
  const width = terminalWidth()
  if (segments.length > 0) {
    yield ''
    yield* drawSegments(segments, Date.now(), width)
  }
  if (found.messages > 0) {
    yield ''
    yield* drawQueues(store, queues, width)
  }
}

function* content({ messages, averageRecordBytes, timeSpan, messagesPerSecond, bytesPerSecond }: Facts): IterableIterator<string> {
  const size = averageRecordBytes === null ? '' : `, ${bytes(averageRecordBytes)} of the log each`
  yield `messages   ${grouped(messages)}${size}`
  if (timeSpan === null) return
  const { earliest, latest } = timeSpan
  yield `stored     ${iso(earliest)} to ${iso(latest)}, ${span(latest - earliest)}`
  if (messagesPerSecond !== null && bytesPerSecond !== null)
    yield `           ${rate(messagesPerSecond)} messages/s, ${bytes(bytesPerSecond)}/s`
}

function* queueTable(queues: readonly Queue[]): IterableIterator<string> {
  const width = Math.max(5, ...queues.map(({ topic }) => topic.length))
  const row = (topic: string, cells: readonly (string | number)[], times: readonly string[]) =>
    topic.padEnd(width) + cells.map((cell) => String(cell).padStart(12)).join('') + times.map((time) => time.padStart(26)).join('')
  const timed = queues[0]?.timeSpan !== undefined
  yield row('topic', ['queue', 'min', 'max', 'messages'], timed ? ['first stored', 'last stored'] : [])
  for (const { topic, queueId, minOffset, maxOffset, messages, timeSpan } of queues) {
    const times = timeSpan === undefined ? [] : timeSpan === null ? ['-', '-'] : [iso(timeSpan.earliest), iso(timeSpan.latest)]
    yield row(topic, [queueId, minOffset, maxOffset, messages], times)
  }
}

function inWords({ files, bytes: length, onDisk }: Sizes): string {
  return `${amount(files, 'file')} of ${bytes(length)}, ${bytes(onDisk)} on disk`
}

function iso(time: number): string {
  return new Date(time).toISOString()
}

function rate(perSecond: number): string {
  return perSecond >= 100 ? grouped(Math.round(perSecond)) : perSecond.toPrecision(2)
}

function sorted(queues: QueueInfo[]): QueueInfo[] {
  return queues.sort((a, b) => (a.topic === b.topic ? a.queueId - b.queueId : a.topic < b.topic ? -1 : 1))
}

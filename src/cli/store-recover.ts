/** `millrace store recover DIR`: what opening would find and do, or the same done, with what lies behind damage given up. */
import type { Command } from 'commander'
import type { MessageStore } from '../index.js'
import { printLines } from './output.js'
import { queueEnds } from './queue-ends.js'
import { openStore, withSettings } from './store-options.js'
import { amount } from './units.js'

interface RecoverOptions {
  dryRun?: true
  cut?: true
  json?: true
  settings?: string
}

export function addStoreRecover(store: Command): Command {
  const command = store
    .command('recover <dir>')
    .description('say what opening would find and do, or do it and give up what lies behind damage')
    .option('--dry-run', 'only look: changes no byte, and works beside a program that writes')
    .option('--cut', 'open for writing, cut the log off where it is damaged, and close: make a copy of the store before')
    .option('--json', 'one JSON object instead of lines')
    .addHelpText(
      'after',
      `
One of --dry-run and --cut is needed. A torn tail is what a crash leaves, behind everything that was known to be on disk, and any opening cuts it.
Corruption is damage to what had been on disk; opening refuses it with CORRUPT_LOG, and only --cut gives up what lies behind.`,
    )
  return withSettings(command).action(async (directory: string, options: RecoverOptions) => {
    if (options.dryRun === options.cut) command.error('one of --dry-run and --cut is needed')
    // Before it is opened: what queues have of messages that the log has lost goes with them.
    const ends = await queueEnds(directory)
    const common = {
      ...(options.settings !== undefined && { settings: options.settings }),
      onCorruption: options.cut ? ('cut' as const) : ('readOnly' as const),
    }
    const opened = await openStore(directory, common, { readOnly: options.cut === undefined }, { silent: true })
    let facts: Facts
    try {
      facts = found(opened, ends)
    } finally {
      await opened.close()
    }
    await printLines(options.json ? [JSON.stringify({ done: options.cut === true, ...facts })] : told(facts, options.cut === true))
  })
}

type Facts = ReturnType<typeof found>

function found(store: MessageStore, ends: Awaited<ReturnType<typeof queueEnds>>) {
  const { cleanBefore, scannedFrom, scannedBytes, records, torn, rebuiltQueues, rebuiltIndex, removedLeftovers } = store.recovery
  const known = new Map(store.queues().map((queue) => [`${queue.topic} ${queue.queueId}`, queue.maxOffset]))
  const lost = ends
    .map(({ topic, queueId, maxOffset }) => ({ topic, queueId, messages: maxOffset - (known.get(`${topic} ${queueId}`) ?? 0) }))
    .filter(({ messages }) => messages > 0)
  return {
    directory: store.directory,
    closedProperly: cleanBefore,
    minLogOffset: store.minLogOffset,
    maxLogOffset: store.commitLog.writtenOffset,
    scannedFrom,
    scannedTo: scannedFrom + scannedBytes,
    records,
    torn: torn ?? null,
    lostMessages: torn === undefined ? [] : lost,
    rebuiltQueues,
    rebuiltIndex,
    removedLeftovers,
  }
}

function* told(facts: Facts, done: boolean): IterableIterator<string> {
  const { torn, rebuiltQueues, rebuiltIndex, removedLeftovers } = facts
  yield `directory  ${facts.directory}`
  yield `state      ${facts.closedProperly ? 'closed properly' : done ? 'left by a crash' : 'open in a program, or left by a crash'}`
  yield `log        ${facts.minLogOffset} to ${facts.maxLogOffset}`
  yield `scanned    ${facts.scannedFrom} to ${facts.scannedTo}, ${amount(facts.records, 'record')}`
  if (torn === null) {
    yield 'damage     none'
  } else {
    yield `damage     ${torn.corrupt ? 'corruption' : 'a torn tail'} at log offset ${torn.logOffset} (${torn.segment}): ${torn.reason}`
    const what = done ? 'cut off   ' : torn.corrupt ? '--cut     ' : 'opening   '
    const does = done ? '' : torn.corrupt ? 'would give up ' : 'would cut off '
    yield `${what} ${does}${amount(torn.bytes, 'byte')} from there to the end of the log`
    for (const { topic, queueId, messages } of facts.lostMessages)
      yield `           queue ${queueId} of ${topic} ${done ? 'has lost' : 'would lose'} ${amount(messages, 'message')}`
    if (torn.corrupt && facts.lostMessages.length === 0) yield '           no queue is known to have a message there'
  }
  for (const { topic, queueId, reason } of rebuiltQueues)
    yield `queue      ${queueId} of ${topic} ${done ? 'was' : 'would be'} made again from the log: ${reason}`
  if (rebuiltIndex) yield `index      ${done ? 'was' : 'would be'} made again from the log`
  for (const path of removedLeftovers) yield `removed    ${path}, half made`
  if (torn === null && rebuiltQueues.length === 0 && !rebuiltIndex)
    yield done ? 'nothing had to be made good' : 'opening has nothing to make good'
}

/** `millrace store rebuild DIR`: all queues and the index again from the log, the old ones kept beside the store. */
import type { Command } from 'commander'
import { printLines, progressLine } from './output.js'
import { settingsOf } from './store-options.js'
import { amount, megabytes, seconds } from './units.js'

interface RebuildOptions {
  keep?: string
  json?: true
  settings?: string
}

export function addStoreRebuild(store: Command): Command {
  return store
    .command('rebuild <dir>')
    .description('make all queues and the index again from the log; the old ones are moved to a directory beside the store')
    .option('--keep <dir>', 'where the old ones go: a new directory on the same file system; default DIR.rebuild- and the time')
    .option('--json', 'one JSON object instead of lines')
    .option('--settings <file>', 'properties file of the broker; needed for delay levels and multi-dispatch')
    .addHelpText(
      'after',
      `
The whole log is read and checked first: a damaged one is refused, and so is a store that a program has open, with nothing moved. Numbers of
queues whose messages are gone, cursors and config/ stay. Interrupted at whatever moment, the store opens, and opening goes on with the work.`,
    )
    .action(async (directory: string, options: RebuildOptions) => {
      const { rebuildStore } = await import('../index.js')
      const progress = progressLine('rebuilt')
      const result = await rebuildStore(directory, {
        settings: await settingsOf(options.settings),
        onProgress: progress.show,
        ...(options.keep !== undefined && { keep: options.keep }),
      }).finally(progress.clear)
      const { queues, units, indexEntries, logBytes, milliseconds, keptIn, torn } = result
      const bytesPerSecond = Math.round((1000 * logBytes) / Math.max(1, milliseconds))
      if (options.json) return printLines([JSON.stringify({ ...result, bytesPerSecond })])
      const lines = [
        `rebuilt ${amount(queues, 'queue')} with ${amount(units, 'unit')} and ${amount(indexEntries, 'index entry', 'index entries')}`,
        `from a log of ${megabytes(logBytes)} in ${seconds(milliseconds)}, ${megabytes(bytesPerSecond)}/s`,
        `the old ones are in ${keptIn}`,
      ]
      if (torn !== undefined) lines.push(`cut ${amount(torn.bytes, 'byte')} off the log at ${torn.logOffset}: there lay ${torn.reason}`)
      await printLines(lines)
    })
}

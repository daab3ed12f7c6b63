/** `millrace store verify DIR`: every byte that can be checked, checked; nothing is changed. */
import type { Command } from 'commander'
import { complain, printLines, progressLine } from './output.js'
import { settingsOf } from './store-options.js'

interface VerifyOptions {
  json?: true
  settings?: string
}

const FINDINGS = 1

export function addStoreVerify(store: Command): Command {
  return store
    .command('verify <dir>')
    .description('check every record, queue unit, index entry and the checkpoint against each other; changes nothing and takes no lock')
    .option('--json', 'one JSON object instead of lines')
    .option(
      '--settings <file>',
      'properties file of the broker; needed for index files that have not four entries to a slot, and for delay levels',
    )
    .addHelpText('after', '\nEnds with exit code 1 when something is wrong. Of a store that a program has open the end may look wrong.')
    .action(async (directory: string, options: VerifyOptions) => {
      const { verifyStore } = await import('../index.js')
      const settings = await settingsOf(options.settings)
      const progress = progressLine('verified')
      const result = await verifyStore(directory, { settings, onProgress: progress.show }).finally(progress.clear)
      const { findings, findingCount, closedProperly, records, units, indexEntries, minLogOffset, maxLogOffset } = result
      if (options.json) {
        await printLines([JSON.stringify(result)])
      } else {
        const lines = findings.map(({ part, path, logOffset, queueOffset, problem }) => {
          const where = [queueOffset !== undefined && `queue offset ${queueOffset}`, logOffset !== undefined && `log offset ${logOffset}`]
          return `${part.padEnd(10)} ${path}: ${[...where.filter(Boolean), problem].join(', ')}`
        })
        if (findingCount > findings.length) lines.push(`… and ${findingCount - findings.length} more`)
        lines.push(
          `${findingCount === 0 ? 'nothing is wrong' : `${findingCount} wrong`}: ${records} records from ${minLogOffset} to ${maxLogOffset}, ${units} queue units, ${indexEntries} index entries`,
        )
        await printLines(lines)
      }
      if (findingCount === 0) return
      process.exitCode = FINDINGS
      if (!closedProperly)
        complain('the store is open in a program, or was left by a crash: what follows from the log is made good when it is opened next')
    })
}

/** `millrace store backup DIR TO`: a copy, or what has come since the last one; also while a program writes. */
import type { Command } from 'commander'
import { printLines } from './output.js'
import { type CommonOptions, readStore, withStoreOptions } from './store-options.js'

interface BackupOptions extends CommonOptions {
  json?: true
}

export function addStoreBackup(store: Command): Command {
  const command = store
    .command('backup <dir> <to>')
    .description('copy the store, or add to an earlier copy what has come since; also while a program writes')
    .option('--json', 'one JSON object instead of a line')
  return withStoreOptions(command).action((directory: string, to: string, options: BackupOptions) =>
    readStore(directory, options, async (opened) => {
      const done = await opened.backup(to)
      await printLines([options.json ? JSON.stringify(done) : `${to} has the log up to ${done.to}; ${done.copiedBytes} bytes were copied`])
    }),
  )
}

#!/usr/bin/env node
/**
 * The program `millrace`. Commands load the store only when they run, so that help needs no addon. Exit codes: 0 done, 1 failed (one line on
 * standard error says why), 2 called wrongly, 130 interrupted. A reader that closes the pipe early is no failure.
 */
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { benchCommands } from './bench.js'
import { addBroker } from './broker.js'
import { addNamesrv } from './namesrv.js'
import { complain, isClosedPipe } from './output.js'
import { addServer } from './server.js'
import { addStoreAppend } from './store-append.js'
import { addStoreBackup } from './store-backup.js'
import { addStoreDump } from './store-dump.js'
import { addStoreInfo } from './store-info.js'
import { addStoreQuery } from './store-query.js'
import { addStoreRebuild } from './store-rebuild.js'
import { addStoreRecover } from './store-recover.js'
import { addStoreTail } from './store-tail.js'
import { addStoreVerify } from './store-verify.js'

const EXIT_CODES = `
Exit codes:
  0    done
  1    failed; one line on standard error has the error's code, what was wrong and what to do
  2    called wrongly: an unknown command or option, or a value that is not allowed
  130  interrupted; what was appended until then is in the store`

const FAILED = 1
const CALLED_WRONGLY = 2

const storeCommands = [
  addStoreInfo,
  addStoreVerify,
  addStoreDump,
  addStoreQuery,
  addStoreTail,
  addStoreAppend,
  addStoreBackup,
  addStoreRebuild,
  addStoreRecover,
]

function program(): Command {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
  const millrace = new Command('millrace')
    .description("RocketMQ's message store, broker and name server: tools for stores, and the servers")
    .version(manifest.version)
    .exitOverride()
    .configureOutput({ outputError: (text) => complain(text.replace(/^error: /, '')) })
    .addHelpText('after', EXIT_CODES)
  const store = millrace
    .command('store')
    .description('look into a store directory, append to it, keep it whole')
    .addHelpText('after', EXIT_CODES)
  for (const add of storeCommands) add(store).addHelpText('after', EXIT_CODES)
  const bench = millrace.command('bench').description('measure appending and pulling on this machine').addHelpText('after', EXIT_CODES)
  for (const command of benchCommands(bench)) command.addHelpText('after', EXIT_CODES)
  for (const add of [addNamesrv, addBroker, addServer]) add(millrace).addHelpText('after', EXIT_CODES)
  return millrace
}

async function main(args: readonly string[]): Promise<number> {
  try {
    await program().parseAsync(args, { from: 'user' })
    return 0
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : CALLED_WRONGLY
    if (isClosedPipe(error)) return 0
    complain(error)
    return FAILED
  }
}

// Whoever printed hears of a failure from its own call; help and complaints that nobody reads are no failure.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

// Not process.exit(): what is still on its way to a pipe must arrive.
main(process.argv.slice(2)).then((code) => {
  process.exitCode ??= code
})

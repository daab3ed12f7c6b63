/** `millrace namesrv`: a name server, until it is told to stop. */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { type Command, InvalidArgumentError } from 'commander'
import type { NamesrvSettings } from '../index.js'
import { complain } from './output.js'

interface NamesrvOptions {
  config?: string
  port?: number
  print?: true
  strict?: true
}

export function addNamesrv(millrace: Command): Command {
  return millrace
    .command('namesrv')
    .description('run a name server: brokers register with it, clients ask it where topics are')
    .option('-c, --config <file>', "properties file with RocketMQ's NamesrvConfig and NettyServerConfig names")
    .option('--port <port>', 'port to listen to, whatever the file says (default: 9876)', portNumber)
    .option('-p, --print', 'print the settings as lines name=value, and end')
    .option('--strict', 'an unknown name in the file is an error, not a warning')
    .action(async (options: NamesrvOptions) => {
      const { NameServer, defaultNamesrvSettings } = await import('../index.js')
      const { namesrvSettingsText } = await import('../namesrv/settings.js')
      const settings = await settingsOf(options)
      if (options.print) {
        process.stdout.write(namesrvSettingsText({ ...defaultNamesrvSettings(), ...settings }))
        return
      }
      const server = await NameServer.start({
        settings,
        onTrouble: ({ remote, reason }) => complain(`warning: ${remote === '' ? 'the port' : remote}: ${reason}`),
      })
      console.log(`namesrv ready: ${server.address}, KV config in ${server.settings.kvConfigPath}`)
      await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
      await server.close()
    })
}

async function settingsOf({ config, port, strict }: NamesrvOptions): Promise<Partial<NamesrvSettings>> {
  const { parseProperties } = await import('../index.js')
  const { namesrvSettingsFrom } = await import('../namesrv/settings.js')
  const warn = (name: string, meant: string | undefined) =>
    complain(`warning: ${config}: ${name} is no setting of a name server${meant === undefined ? '' : `; is ${meant} meant?`}`)
  const fromFile =
    config === undefined ? {} : namesrvSettingsFrom(parseProperties(await readFile(config, 'utf8')), strict ? undefined : warn)
  return { ...fromFile, ...(port !== undefined && { listenPort: port }) }
}

function portNumber(text: string): number {
  const port = Number(text)
  if (!/^\d+$/.test(text) || port > 65535) throw new InvalidArgumentError('It must be a whole number up to 65535; 0 for one that is free.')
  return port
}

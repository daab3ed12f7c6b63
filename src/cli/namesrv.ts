/** `millrace namesrv`: a name server, until it is told to stop. */
import type { Command } from 'commander'
import type { NamesrvSettings } from '../index.js'
import { logger, portNumber, propertiesIn, untilStopped, warnUnknown, warnWithoutEffect } from './serving.js'

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
      const { namesrvSettings } = await import('../namesrv/settings.js')
      const settings = await settingsOf(options)
      if (options.print) {
        process.stdout.write(namesrvSettings.text({ ...defaultNamesrvSettings(), ...settings }))
        return
      }
      warnWithoutEffect(namesrvSettings.withoutEffect(settings))
      const server = await NameServer.start({ settings, log: await logger() })
      console.log(`namesrv ready: ${server.address}, KV config in ${server.settings.kvConfigPath}`)
      await untilStopped()
      await server.close()
    })
}

async function settingsOf({ config, port, strict }: NamesrvOptions): Promise<Partial<NamesrvSettings>> {
  const { namesrvSettings } = await import('../namesrv/settings.js')
  const fromFile = namesrvSettings.from(await propertiesIn(config), warnUnknown(config, 'name server', strict))
  return { ...fromFile, ...(port !== undefined && { listenPort: port }) }
}

/** `millrace server`: a name server and a broker that registers with it, in one process, until it is told to stop. */
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { brokerSettingsOf } from './broker.js'
import { logger, portNumber, untilStopped, warnWithoutEffect } from './serving.js'

interface ServerOptions {
  dir?: string
  config?: string
  port?: number
  listenPort?: number
  strict?: true
}

export function addServer(millrace: Command): Command {
  return millrace
    .command('server')
    .description('run a name server and a broker in one process')
    .option('--dir <dir>', "the store's directory (default: what the file says, else ./store)")
    .option('-c, --config <file>', "properties file with RocketMQ's names, a broker.conf")
    .option('--port <port>', 'port of the name server (default: 9876)', portNumber)
    .option('--listen-port <port>', 'port of the broker, whatever the file says (default: 10911)', portNumber)
    .option('--strict', 'an unknown name in the file is an error, not a warning')
    .action(async (options: ServerOptions) => {
      const { Broker, NameServer } = await import('../index.js')
      const { brokerSettings } = await import('../broker/settings.js')
      const { config, strict, port = 9876, listenPort } = options
      const fromFile = await brokerSettingsOf({ ...(config !== undefined && { config }), ...(strict && { strict }) })
      const directory = resolve(options.dir ?? fromFile.storePathRootDir ?? 'store')
      warnWithoutEffect(brokerSettings.withoutEffect(fromFile))
      const log = await logger()
      const { bindAddress } = fromFile
      const namesrv = await NameServer.start({
        settings: {
          ...{ listenPort: port, kvConfigPath: join(directory, 'config', 'kvConfig.json') },
          ...{ configStorePath: join(directory, 'config', 'namesrv.properties') },
          ...(bindAddress !== undefined && { bindAddress }),
        },
        log,
      })
      const own = namesrv.address.replace(/^0\.0\.0\.0:/, '127.0.0.1:')
      const settings = { ...fromFile, storePathRootDir: directory, namesrvAddr: own, ...(listenPort !== undefined && { listenPort }) }
      const broker = await Broker.start({ settings, log }).catch(async (error) => {
        await namesrv.close()
        throw error
      })
      const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
      console.log(`ready: namesrv ${namesrv.address}, broker ${broker.address}, directory ${directory}, millrace ${version}`)
      await untilStopped()
      await broker.close()
      await namesrv.close()
    })
}

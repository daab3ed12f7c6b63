/** `millrace broker`: a broker, until it is told to stop. */
import type { Command } from 'commander'
import type { BrokerSettings } from '../index.js'
import { javaProperties, settingsFromJava } from './java-properties.js'
import { logger, propertiesIn, untilStopped, warnUnknown, warnWithoutEffect } from './serving.js'

export interface BrokerCommandOptions {
  config?: string
  namesrvAddr?: string
  print?: true
  printImportant?: true
  strict?: true
  D?: Record<string, string>
}

export function addBroker(millrace: Command): Command {
  return millrace
    .command('broker')
    .description('run a broker: clients send to it and consume from it')
    .option('-c, --config <file>', "properties file with RocketMQ's names, a broker.conf")
    .option('-n, --namesrv-addr <addresses>', "name servers to register with, host:port, ';' between them (default: NAMESRV_ADDR)")
    .option('-p, --print', 'print the settings as lines name=value, and end')
    .option('-m, --print-important', 'print the more important ones, and end')
    .option(
      '-D <name=value>',
      'a Java system property that RocketMQ 4.9 has in place of a setting, such as rocketmq.broker.diskSpaceWarningLevelRatio',
      javaProperties,
    )
    .option('--strict', 'an unknown name in the file is an error, not a warning')
    .action(async (options: BrokerCommandOptions) => {
      const { Broker, defaultBrokerSettings } = await import('../index.js')
      const { brokerSettings, importantSettings } = await import('../broker/settings.js')
      const settings = await brokerSettingsOf(options)
      if (options.print || options.printImportant) {
        process.stdout.write(
          brokerSettings.text({ ...defaultBrokerSettings(), ...settings }, options.print ? undefined : importantSettings),
        )
        return
      }
      warnWithoutEffect(brokerSettings.withoutEffect(settings))
      const broker = await Broker.start({ settings, log: await logger() })
      console.log(`broker ready: ${broker.address}, store in ${broker.store.directory}`)
      await untilStopped()
      await broker.close()
    })
}

/** The file's, over what the environment says; `-n` over both. */
export async function brokerSettingsOf({ config, namesrvAddr, strict, D = {} }: BrokerCommandOptions): Promise<Partial<BrokerSettings>> {
  const { brokerSettings } = await import('../broker/settings.js')
  const fromFile = brokerSettings.from(await propertiesIn(config), warnUnknown(config, 'broker', strict))
  const { NAMESRV_ADDR } = process.env
  return {
    ...(NAMESRV_ADDR && { namesrvAddr: NAMESRV_ADDR }),
    ...settingsFromJava(D),
    ...fromFile,
    ...(namesrvAddr !== undefined && { namesrvAddr }),
  }
}

/** Java system properties with which a 4.9 broker is told what has no setting there: `-Drocketmq.broker.diskSpaceWarningLevelRatio=0.9`. */
import { InvalidArgumentError } from 'commander'
import type { BrokerSettings } from '../index.js'

const PERCENT: Readonly<Record<string, keyof BrokerSettings>> = {
  'rocketmq.broker.diskSpaceWarningLevelRatio': 'diskSpaceWarningLevelRatio',
  'rocketmq.broker.diskSpaceCleanForciblyRatio': 'diskSpaceCleanForciblyRatio',
}
const NAME_SERVERS = 'rocketmq.namesrv.addr'

/** For an option that may be given several times. */
export function javaProperties(text: string, before: Record<string, string> = {}): Record<string, string> {
  const split = text.indexOf('=')
  if (split < 1) throw new InvalidArgumentError('It must be name=value.')
  return { ...before, [text.slice(0, split)]: text.slice(split + 1) }
}

/** Others are passed over: they are the virtual machine's. */
export function settingsFromJava(properties: Readonly<Record<string, string>>): Partial<BrokerSettings> {
  const settings: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(properties)) {
    const setting = PERCENT[name]
    if (setting !== undefined) settings[setting] = Math.round(100 * Number(value))
    if (name === NAME_SERVERS) settings.namesrvAddr = value
  }
  return settings as Partial<BrokerSettings>
}

/** A name server's settings: RocketMQ's NamesrvConfig and NettyServerConfig, by their own names. Times are in the unit that the name says. */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { storeError } from '../errors.js'
import { defaultsOf, flag, nearestName, optional, port, readSetting, type SettingsOf, size, text, whole } from '../setting.js'

const isSet = (value: string) => value.trim() !== ''
const home = (file: string) => join(homedir(), 'namesrv', file)

const table = {
  kvConfigPath: text<string>(home('kvConfig.json'), 'a path', isSet),
  /** Where an update of these settings by request is kept. */
  configStorePath: text<string>(home('namesrv.properties'), 'a path', isSet),
  /** Routes tell which topics are ordered over all brokers. */
  orderMessageEnable: flag(false),
  /** Names that no request may update, `;` between them. */
  configBlackList: text<string>('configBlackList;configStorePath;kvConfigPath', "names of settings, ';' between them", () => true),
  listenPort: port(9876),
  /** Whom it listens to. There is no access control: who reaches it is its client. */
  bindAddress: text<string>('127.0.0.1', 'an address of this machine', isSet),
  serverChannelMaxIdleTimeSeconds: size(120),

  // Known, and without effect here
  rocketmqHome: optional('a path'),
  productEnvName: text<string>('center', 'a name', isSet),
  clusterTest: flag(false),
  returnOrderTopicConfigToBroker: flag(true),
  serverWorkerThreads: whole(8),
  serverCallbackExecutorThreads: whole(0),
  serverSelectorThreads: whole(3),
  serverOnewaySemaphoreValue: whole(256),
  serverAsyncSemaphoreValue: whole(64),
  serverSocketSndBufSize: whole(0),
  serverSocketRcvBufSize: whole(0),
  serverSocketBacklog: whole(1024),
  writeBufferHighWaterMark: whole(0),
  writeBufferLowWaterMark: whole(0),
  serverPooledByteBufAllocatorEnable: flag(true),
  useEpollNativeSelector: flag(false),
}

export type NamesrvSettings = SettingsOf<typeof table>
type Name = keyof NamesrvSettings

const names = Object.keys(table) as Name[]

export function defaultNamesrvSettings(): NamesrvSettings {
  return defaultsOf(table)
}

/** Throws INVALID_SETTING for a value that is not allowed, and for a name that is no setting. */
export function checkNamesrvSettings(settings: Readonly<Partial<NamesrvSettings>>): Partial<NamesrvSettings> {
  const given = Object.entries(settings).filter(([, value]) => value !== undefined)
  const unknown = given.find(([name]) => !isName(name))
  if (unknown !== undefined) throw unknownSetting(...unknown)
  return Object.fromEntries(given.map(([name, value]) => [name, readSetting(table, name, value)]))
}

/**
 * Settings from a file's names and values. A name that is none is told to `onUnknown`, with the one that was probably meant; without `onUnknown` it is an
 * error, INVALID_SETTING, as a value that is not allowed always is.
 */
export function namesrvSettingsFrom(
  properties: Readonly<Record<string, string>>,
  onUnknown?: (name: string, meant: string | undefined) => void,
): Partial<NamesrvSettings> {
  const settings: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(properties)) {
    if (isName(name)) settings[name] = readSetting(table, name, value)
    else if (onUnknown !== undefined) onUnknown(name, nearestName(name, names))
    else throw unknownSetting(name, value)
  }
  return settings as Partial<NamesrvSettings>
}

/** Lines `name=value`, as RocketMQ answers and prints them. */
export function namesrvSettingsText(settings: Readonly<NamesrvSettings>): string {
  return names
    .filter((name) => settings[name] !== undefined)
    .map((name) => `${name}=${settings[name]}\n`)
    .join('')
}

function isName(name: string): name is Name {
  return Object.hasOwn(table, name)
}

function unknownSetting(name: string, value: unknown): Error {
  const meant = nearestName(name, names)
  return storeError('INVALID_SETTING', {
    setting: name,
    value,
    allowed: meant === undefined ? 'a setting of a name server' : `${meant}, if that is meant`,
  })
}

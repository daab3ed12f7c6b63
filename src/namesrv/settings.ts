/** A name server's settings: RocketMQ's NamesrvConfig and NettyServerConfig, by their own names. Times are in the unit that the name says. */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { allUnused, flag, KnownSettings, optional, port, type SettingsOf, size, text, unused, whole } from '../setting.js'

const isSet = (value: string) => value.trim() !== ''
const home = (file: string) => join(homedir(), 'namesrv', file)

const NO_OTHER_PLACE = 'topics that are not known here are not looked up elsewhere'

/** What NettyServerConfig has besides the port: a broker's too. */
export const nettyServerTable = {
  serverChannelMaxIdleTimeSeconds: size(120),
  ...allUnused('one thread serves all connections', {
    serverWorkerThreads: whole(8),
    serverCallbackExecutorThreads: whole(0),
    serverSelectorThreads: whole(3),
    useEpollNativeSelector: flag(false),
  }),
  ...allUnused('a connection is limited by what its peer has not read yet', {
    serverOnewaySemaphoreValue: whole(256),
    serverAsyncSemaphoreValue: whole(64),
  }),
  ...allUnused('buffers and queues of sockets are as Node and the system make them', {
    serverSocketSndBufSize: whole(0),
    serverSocketRcvBufSize: whole(0),
    serverSocketBacklog: whole(1024),
    writeBufferHighWaterMark: whole(0),
    writeBufferLowWaterMark: whole(0),
    serverPooledByteBufAllocatorEnable: flag(true),
  }),
}

const table = {
  kvConfigPath: text<string>(home('kvConfig.json'), 'a path', isSet),
  /** Where an update of these settings by request is kept. */
  configStorePath: text<string>(home('namesrv.properties'), 'a path', isSet),
  /** Routes tell which topics are ordered over all brokers. */
  orderMessageEnable: flag(false),
  /** Names that no request may update, `;` between them. */
  configBlackList: text<string>('configBlackList;configStorePath;kvConfigPath', "names of settings, ';' between them", () => true),
  rocketmqHome: unused(optional('a path'), 'no file is read from there'),
  productEnvName: unused(text<string>('center', 'a name', isSet), NO_OTHER_PLACE),
  clusterTest: unused(flag(false), NO_OTHER_PLACE),
  returnOrderTopicConfigToBroker: unused(flag(true), 'brokers are always told which topics are ordered'),

  listenPort: port(9876),
  /** Whom it listens to. There is no access control: who reaches it is its client. */
  bindAddress: text<string>('127.0.0.1', 'an address of this machine', isSet),
  ...nettyServerTable,
}

export type NamesrvSettings = SettingsOf<typeof table>

export const namesrvSettings = new KnownSettings(table, 'a setting of a name server')

export function defaultNamesrvSettings(): NamesrvSettings {
  return namesrvSettings.defaults()
}

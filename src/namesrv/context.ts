/** What the handlers of a name server's requests work on. */
import type { Connection } from '../remoting/connection.js'
import type { KvConfig } from './kv-config.js'
import type { NamesrvSettings } from './name-server.js'
import type { Routes } from './routes.js'

export interface NamesrvContext {
  readonly routes: Routes<Connection>
  readonly kv: KvConfig
  readonly settings: NamesrvSettings
  /** Unix milliseconds. */
  readonly now: () => number
}

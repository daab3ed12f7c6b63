/** What the handlers of a name server's requests work on. */
import type { Connection } from '../remoting/connection.js'
import type { KvConfig } from './kv-config.js'
import type { Routes } from './routes.js'
import type { NamesrvSettings } from './settings.js'

export interface NamesrvContext {
  readonly routes: Routes<Connection>
  readonly kv: KvConfig
  /** Changed by request. */
  readonly settings: NamesrvSettings
  /** Unix milliseconds. */
  readonly now: () => number
}

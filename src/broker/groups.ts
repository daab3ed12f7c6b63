/** The consumer groups of a broker: RocketMQ's SubscriptionGroupManager, kept in `config/subscriptionGroup.json`. */
import { type SubscriptionGroup, subscriptionGroupOf } from '../protocol/bodies/subscription-group.js'
import type { ConfigFiles } from '../store/config-files.js'
import type { BrokerSettings } from './settings.js'
import { VersionedTable } from './versioned-table.js'

const SYSTEM_PREFIX = 'CID_RMQ_SYS_'
const BUILT_IN = [
  'TOOLS_CONSUMER',
  'FILTERSRV_CONSUMER',
  'SELF_TEST_C_GROUP',
  'CID_ONS-HTTP-PROXY',
  'CID_ONSAPI_PULL',
  'CID_ONSAPI_PERMISSION',
  'CID_ONSAPI_OWNER',
]

export class Groups {
  readonly #table: VersionedTable<SubscriptionGroup>
  readonly #settings: BrokerSettings

  private constructor(table: VersionedTable<SubscriptionGroup>, settings: BrokerSettings) {
    this.#table = table
    this.#settings = settings
  }

  static async open(config: ConfigFiles, settings: BrokerSettings, now: () => number): Promise<Groups> {
    const builtIn = new Map(BUILT_IN.map((groupName) => [groupName, subscriptionGroupOf({ groupName })]))
    const options = { config, file: 'subscriptionGroup.json', field: 'subscriptionGroupTable', read: subscriptionGroupOf, builtIn, now }
    return new Groups(await VersionedTable.open(options), settings)
  }

  get all(): ReadonlyMap<string, SubscriptionGroup> {
    return this.#table.entries
  }

  get(group: string): SubscriptionGroup | undefined {
    return this.#table.get(group)
  }

  /** The group, made with defaults where it may be; undefined where it may not. It is on disk soon after: what a crash forgets is made again. */
  find(group: string): SubscriptionGroup | undefined {
    const known = this.get(group)
    if (known !== undefined || group === '') return known
    if (!this.#settings.autoCreateSubscriptionGroup && !group.startsWith(SYSTEM_PREFIX)) return undefined
    const made = subscriptionGroupOf({ groupName: group })
    this.#table.set(group, made).catch(() => {}) // the next change writes it too
    return made
  }

  set(group: SubscriptionGroup): Promise<void> {
    return this.#table.set(group.groupName, group)
  }

  delete(group: string): Promise<void> {
    return this.#table.delete(group)
  }

  /** As a body. */
  write(): Buffer {
    return this.#table.write()
  }

  save(): Promise<void> {
    return this.#table.save()
  }
}

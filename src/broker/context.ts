/** What the handlers of a broker's requests work on. */
import type { Connection } from '../remoting/connection.js'
import type { MessageStore } from '../store/message-store.js'
import type { ConsumerOffsets } from './consumer-offsets.js'
import type { Consumers } from './consumers.js'
import type { DelayService } from './delay-service.js'
import type { Groups } from './groups.js'
import type { HeldPulls } from './held-pulls.js'
import type { Inbox } from './inbox.js'
import type { PlainRequests } from './plain-requests.js'
import type { Producers } from './producers.js'
import type { QueueLocks } from './queue-locks.js'
import type { Registration } from './registration.js'
import type { BrokerSettings } from './settings.js'
import type { Topics } from './topics.js'

export interface BrokerContext {
  readonly settings: BrokerSettings
  /** `ip:port` that clients know it by. */
  readonly address: string
  readonly store: MessageStore
  readonly topics: Topics
  readonly groups: Groups
  readonly offsets: ConsumerOffsets
  readonly consumers: Consumers<Connection>
  readonly producers: Producers<Connection>
  readonly locks: QueueLocks
  readonly held: HeldPulls
  readonly inbox: Inbox
  readonly delays: DelayService
  readonly registration: Registration
  readonly plainRequests: PlainRequests
  /** Unix milliseconds. */
  readonly now: () => number
}

/** A message that is to be appended once more: as it was, but for what is said otherwise. Retries and deliveries are such copies. */
import { SYS_FLAG_BORN_HOST_V6, SYS_FLAG_STORE_HOST_V6 } from '../format/sys-flag.js'
import type { Message } from '../store/message.js'
import type { MessageInput } from '../store/types.js'

/** The store sets them by the hosts that it is given. */
const HOST_BITS = SYS_FLAG_BORN_HOST_V6 | SYS_FLAG_STORE_HOST_V6

/** `properties` count before the message's own; the body stays compressed if it is. */
export function copyOf(
  message: Message,
  changes: Pick<MessageInput, 'topic' | 'properties' | 'reconsumeTimes'> & { queueId: number },
): MessageInput {
  const { TAGS: tags, KEYS: keys, ...own } = message.properties
  const { body, flag, reconsumeTimes, bornTimestamp, bornHost } = message
  return {
    ...{ body, flag, reconsumeTimes, bornTimestamp, bornHost, sysFlag: message.sysFlag & ~HOST_BITS },
    ...(tags !== undefined && { tags }),
    ...(keys !== undefined && { keys }),
    ...changes,
    properties: { ...own, ...changes.properties },
  }
}

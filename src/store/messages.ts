/** The messages of a queue as an async iterator: batches inside, waiting at the end where asked to. */
import type { Message } from './message.js'
import type { MessageStore } from './message-store.js'
import { checkObject, invalid } from './part.js'
import type { MessagesOptions, PullResult } from './types.js'

/** Appends of this environment wake a follower at once; those of another thread or process are looked for so often. */
const LOOK_MS = 10

/** At the call, not when the first message is asked for. Throws INVALID_ARGUMENT. */
export function checkMessages(options: MessagesOptions): MessagesOptions {
  checkObject('options', options)
  const { signal } = options
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw invalid('signal', signal, 'an AbortSignal')
  return options
}

export async function* followMessages(
  store: MessageStore,
  { topic, queueId, from, tags, filter, follow = false, signal, batch = 32 }: MessagesOptions,
  appended: Set<() => void>,
): AsyncIterableIterator<Message> {
  let offset = from ?? store.bounds(topic, queueId).minOffset
  const options = {
    topic,
    queueId,
    maxMessages: batch,
    ...(tags === undefined ? {} : { tags }),
    ...(filter === undefined ? {} : { filter }),
  }
  while (signal?.aborted !== true) {
    let page: PullResult
    try {
      page = await store.pull({ ...options, offset })
    } catch (error) {
      // A follower ends with its store, wherever the end meets it.
      if (follow && isClosed(store)) return
      throw error
    }
    for (const message of page.messages) {
      if (signal?.aborted) return
      yield message
    }
    switch (page.status) {
      case 'FOUND':
      case 'NO_MATCHED_MESSAGE':
      case 'MESSAGE_WAS_REMOVING':
      case 'OFFSET_TOO_SMALL':
        offset = page.nextOffset
        break
      case 'OFFSET_FOUND_NULL':
        // The next file, and where there is none yet, the next message.
        offset = Math.min(page.nextOffset, page.maxOffset)
        break
      default:
        // At the end (or behind it, where a new queue will come to it).
        if (!follow) return
        await somethingAppended(appended, signal)
        if (isClosed(store)) return
    }
  }
}

function isClosed({ state }: MessageStore): boolean {
  return state === 'closing' || state === 'closed'
}

function somethingAppended(appended: Set<() => void>, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const wake = (): void => {
      clearTimeout(timer)
      appended.delete(wake)
      signal?.removeEventListener('abort', wake)
      resolve()
    }
    const timer = setTimeout(wake, LOOK_MS)
    appended.add(wake)
    signal?.addEventListener('abort', wake, { once: true })
  })
}

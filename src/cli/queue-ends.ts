/** How far each queue's files reach, whatever the log has: read without opening the store. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'

export interface QueueEnd {
  topic: string
  queueId: number
  maxOffset: number
}

/** Of the queues whose files can be read; the others say nothing. */
export async function queueEnds(directory: string): Promise<QueueEnd[]> {
  const { ConsumeQueue } = await import('../index.js')
  const ends: QueueEnd[] = []
  for (const topic of await namesIn(join(directory, 'consumequeue'))) {
    for (const name of await namesIn(join(directory, 'consumequeue', topic))) {
      try {
        await using queue = await ConsumeQueue.open(join(directory, 'consumequeue', topic, name))
        ends.push({ topic, queueId: queue.queueId, maxOffset: queue.maxOffset })
      } catch {
        // Opening the store names what is wrong with it.
      }
    }
  }
  return ends.sort((a, b) => (a.topic === b.topic ? a.queueId - b.queueId : a.topic < b.topic ? -1 : 1))
}

async function namesIn(path: string): Promise<string[]> {
  return readdir(path).catch(() => [])
}

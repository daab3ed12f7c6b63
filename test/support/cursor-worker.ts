/**
 * A process that appends to a queue and reads it by a cursor until it is killed. It notes each message that it has handled in a file outside the store, before
 * the cursor may move, and each commit that has settled. Arguments: the store's directory, the file of notes.
 */
import { openSync, writeSync } from 'node:fs'
import { MessageStore } from '#src/index.js'

const [, , directory, notes] = process.argv as string[] as [string, string, string, string]
const file = openSync(notes, 'a')
const settings = { mappedFileSizeCommitLog: 65536, mappedFileSizeConsumeQueue: 400, maxHashSlotNum: 50, maxIndexNum: 200 }
const queue = { topic: 'orders', queueId: 0 }

void (async () => {
  const store = await MessageStore.open(directory, { settings })
  const cursor = await store.cursor('billing')
  writeSync(1, 'open\n')
  const append = async (): Promise<void> => {
    const { queueOffset } = await store.append({ ...queue, body: 'x'.repeat(100) })
    writeSync(file, `appended ${queueOffset}\n`)
    setImmediate(append)
  }
  void append()
  for await (const message of cursor.messages({ ...queue, follow: true })) {
    writeSync(file, `handled ${message.queueOffset}\n`)
    if (message.queueOffset % 7 !== 0) continue
    const position = cursor.position(queue.topic, queue.queueId) ?? 0
    void cursor.commit().then(() => writeSync(file, `committed ${position}\n`))
  }
})()

/** The thread behind zstd.ts: answers each stream, in its turn, with what it decompresses to or with what is wrong with it. */
import { parentPort } from 'node:worker_threads'
import { decompress } from 'fzstd'

parentPort?.on('message', (stream: Uint8Array) => {
  try {
    const plain = decompress(stream)
    parentPort?.postMessage(plain, [plain.buffer as ArrayBuffer])
  } catch (error) {
    parentPort?.postMessage(error)
  }
})

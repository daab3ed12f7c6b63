// Opens the store that a trial measures: the built library, RocketMQ's default sizes, the index where the row has keys.
// MILLRACE_LIBRARY names another build of it (bench:compare).
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { options } from '../workload.mjs'

const { MessageStore } = await import(process.env.MILLRACE_LIBRARY ?? '../../dist/index.js')

export { MessageStore }

export const openStore = ({ settings, ...more } = {}) =>
  MessageStore.open(options.dir, {
    flush: options.flush,
    settings: { messageIndexEnable: options.keys !== 0, ...(options.segment && { mappedFileSizeCommitLog: options.segment }), ...settings },
    ...more,
  })

/** Has `count` messages written, as this trial's arguments say, and the store closed, by a process of its own. */
export function haveWritten(count) {
  execFileSync(process.execPath, [fileURLToPath(new URL('write.mjs', import.meta.url)), ...process.argv.slice(2), `count=${count}`])
}

// Opens the store that a trial measures: the built library, RocketMQ's default sizes, the index where the row has keys.
// MILLRACE_LIBRARY names another build of it (bench:compare).
import { options } from '../workload.mjs'

const { MessageStore } = await import(process.env.MILLRACE_LIBRARY ?? '../../dist/index.js')

export { MessageStore }

export const openStore = (more = {}) =>
  MessageStore.open(options.dir, { flush: options.flush, settings: { messageIndexEnable: options.keys !== 0 }, ...more })

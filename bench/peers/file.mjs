// The floor: fs.writeSync of the same bytes, a message a call, into one file; with fdatasyncSync after each where flush=sync.
import { fdatasyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { options, randomBodies, recordBytes, timeAppends } from '../workload.mjs'

const file = openSync(join(options.dir, 'log'), 'w')
const records = randomBodies(recordBytes())

await timeAppends((from, to) => {
  for (let i = from; i < to; i++) {
    writeSync(file, records[i & 255])
    if (options.flush === 'sync') fdatasyncSync(file)
  }
})

// classic-level (LevelDB): place → body, and key → place where keys are on.
//   flush=async  sync: false. A power cut may lose what the kernel had not written
//   flush=sync   sync: true
//   style=transaction (write batches of 1,000) | inFlight (so many puts at once) | single
import { ClassicLevel } from 'classic-level'
import { bodyOf, inFlight, keyOf, options, place, TRANSACTION, timeAppends } from '../workload.mjs'

const sync = options.flush === 'sync'
const db = new ClassicLevel(options.dir, {
  keyEncoding: 'buffer',
  valueEncoding: 'buffer',
  compression: false,
  writeBufferSize: 64 * 2 ** 20,
})
await db.open()

function binary(number) {
  const key = Buffer.allocUnsafe(8)
  key.writeDoubleBE(number)
  return key
}

const byPlace = (i) => ({ type: 'put', key: binary(place(i)), value: bodyOf(i) })
const byKey = (i) => ({ type: 'put', key: Buffer.from(keyOf(i), 'latin1'), value: binary(place(i)) })
const one = (i) => (options.keys ? db.batch([byPlace(i), byKey(i)], { sync }) : db.put(binary(place(i)), bodyOf(i), { sync }))

const styles = {
  async transaction(from, to) {
    const size = sync ? options.inFlight : TRANSACTION
    for (let i = from; i < to; i += size) {
      const batch = []
      for (let j = i; j < Math.min(to, i + size); j++) {
        batch.push(byPlace(j))
        if (options.keys) batch.push(byKey(j))
      }
      await db.batch(batch, { sync })
    }
  },
  inFlight: (from, to) => inFlight(options.inFlight, from, to, one),
  async single(from, to) {
    for (let i = from; i < to; i++) await one(i)
  },
}

await timeAppends(styles[options.style])
await db.close()

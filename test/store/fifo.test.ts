import t from 'tap'
import { Fifo } from '#src/store/fifo.js'
import { Random, seed } from '../support/random.js'

t.test('what is put comes out in order, however puts and takes alternate', async (t) => {
  t.comment(`MILLRACE_SEED=${seed}`)
  const random = new Random(seed)
  const fifo = new Fifo<{ n: number }>()
  let [put, taken] = [0, 0]
  for (let turn = 0; turn < 200; turn++) {
    for (let n = random.int(200); n > 0; n--) fifo.push({ n: put++ })
    for (let n = random.int(200); n > 0 && taken < put; n--) {
      if (fifo.first?.n !== taken || fifo.shift()?.n !== taken) return void t.fail(`${taken} was not the first`)
      taken++
    }
    if (fifo.length !== put - taken) return void t.fail(`its length is ${fifo.length}, not ${put - taken}`)
  }
  while (taken < put) if (fifo.shift()?.n !== taken++) return void t.fail(`${taken - 1} was lost`)
  t.equal(fifo.length, 0)
  t.equal(fifo.first, undefined)
  t.equal(fifo.shift(), undefined)
})

import t from 'tap'
import { progressLine } from '#src/cli/output.js'

t.test('progress is for terminals', async (t) => {
  const written: string[] = []
  const isTTY = process.stderr.isTTY
  t.teardown(() => {
    process.stderr.isTTY = isTTY
  })
  t.intercept(process.stderr, 'write', { value: (text: string) => written.push(text) > 0 })
  for (const terminal of [false, true]) {
    process.stderr.isTTY = terminal
    const progress = progressLine('verified')
    progress.show(1, 3)
    progress.show(0, 0)
    progress.clear()
  }
  t.same(written, ['\rverified 33 %', '\rverified 100 %', '\r\u001b[K'])
})

import { createHistogram } from 'node:perf_hooks'
import { mock } from 'node:test'
import t from 'tap'
import { showLive } from '#src/cli/bench-live.js'

t.test('each second a line with the rate since the last one and the latencies so far, where it is a terminal', async (t) => {
  const written: string[] = []
  const isTTY = process.stderr.isTTY
  t.teardown(() => {
    process.stderr.isTTY = isTTY
    mock.timers.reset()
  })
  t.intercept(process.stderr, 'write', { value: (text: string) => written.push(text) > 0 })
  mock.timers.enable({ apis: ['setInterval'] })
  const tallies = [Float64Array.of(0, 0, 0), Float64Array.of(0, 0, 0)]
  const histograms = [createHistogram(), createHistogram()]

  process.stderr.isTTY = false
  showLive(tallies, histograms)()
  mock.timers.tick(1000)
  t.same(written, [])

  process.stderr.isTTY = true
  const end = showLive(tallies, histograms)
  tallies[1]?.set([5, 500, 5])
  histograms[0]?.record(2_000_000)
  histograms[1]?.record(2_000_000)
  mock.timers.tick(1000)
  t.ok(written[0]?.startsWith('\r\u001b[K'))
  t.match(written[0], /K[\d,]+ messages\/s, \d+\.\d MB\/s, p50 2\.\d{3}, p99 2\.\d{3}, p99\.9 2\.\d{3} ms$/)
  end()
  mock.timers.tick(5000)
  t.same(written.slice(1), ['\r\u001b[K'])
})

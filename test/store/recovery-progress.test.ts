import t from 'tap'
import { newDirectory, openAt, small } from './stores.js'

t.setTimeout(60_000)

t.test('a long recovery tells how far it is, and a short one nothing', async (t) => {
  const directory = newDirectory(t)
  const settings = { ...small, mappedFileSizeCommitLog: 256 << 20 }
  const store = await openAt(t, directory, { settings })
  const body = Buffer.alloc(4 << 20)
  await store.append({ topic: 'orders', body: 'short' })
  const told: [done: number, total: number][] = []
  const onProgress = (done: number, total: number): void => void told.push([done, total])
  await (await openAt(t, directory, { settings, readOnly: true, onProgress })).close()
  t.same(told, [])
  for (let i = 0; i < 34; i++) await store.append({ topic: 'orders', body })
  await store.close()
  const again = await openAt(t, directory, { settings, onProgress })
  t.ok(told.length >= 2, `${told.length} times for ${again.recovery.scannedBytes} bytes`)
  t.ok(
    told.every(([done, total], i) => done > (told[i - 1]?.[0] ?? 0) && done <= total),
    'it rises, and never above the whole',
  )
  const [done, total] = told.at(-1) as [number, number]
  t.equal(done, total, 'the last word is the whole')
})

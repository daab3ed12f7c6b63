import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { newDirectory, numbered, openAt } from '../store/stores.js'
import { fixture } from '../support/fixtures.js'
import { run } from './run.js'

t.test('verify says that nothing is wrong, or lists what is and ends with 1', async (t) => {
  const directory = newDirectory(t)
  const store = await openAt(t, directory)
  await store.appendBatch(numbered(30))
  await store.close()
  const good = await run(['store', 'verify', directory])
  t.match(good, { code: 0, stderr: '', stdout: /^nothing is wrong: 30 records from 0 to \d+, 30 queue units, 30 index entries\n$/ })
  t.match(JSON.parse((await run(['store', 'verify', directory, '--json'])).stdout), {
    findings: [],
    findingCount: 0,
    records: 30,
    closedProperly: true,
  })
  await rm(join(directory, 'consumequeue/orders/0'), { recursive: true })
  const bad = await run(['store', 'verify', directory])
  t.match(bad, { code: 1, stderr: '' })
  t.match(bad.stdout, /^queue +consumequeue\/orders\/0: queue offset 0, units 0 to 29 are missing\n1 wrong: 30 records/)
  t.match(await run(['store', 'verify', directory, '--json']), { code: 1, stdout: /"findingCount":1/ })
})

t.test('verify of a store that crashed says what opening does', async (t) => {
  const { dir, settingsFile } = fixture('torn-crc-4.9')
  const { code, stderr } = await run(['store', 'verify', dir, '--settings', settingsFile])
  t.equal(code, 1)
  t.match(stderr, /^millrace: the store is open in a program, or was left by a crash/)
})

t.test('verify of nothing', async (t) => {
  t.match(await run(['store', 'verify', newDirectory(t)]), { code: 1, stdout: '', stderr: /^millrace: NO_STORE: / })
})

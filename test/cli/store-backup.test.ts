import t from 'tap'
import { bodiesOf, newDirectory, numbered, openAt, openNew } from '../store/stores.js'
import { run } from './run.js'

t.test('backup copies a store that a program has open, and then what has come since', async (t) => {
  const store = await openNew(t)
  const to = newDirectory(t)
  await store.appendBatch(numbered(10))
  await store.flush() // files tell their sizes
  t.match(await run(['store', 'backup', store.directory, to]), {
    code: 0,
    stderr: '',
    stdout: /has the log up to \d+; \d+ bytes were copied\n$/,
  })
  await store.appendBatch(numbered(5, { from: 10 }))
  const { code, stdout } = await run(['store', 'backup', store.directory, to, '--json'])
  t.equal(code, 0)
  t.match(JSON.parse(stdout), { to: store.maxLogOffset })
  t.equal((await bodiesOf(await openAt(t, to), 'orders')).length, 15)
  const other = await openNew(t)
  await other.append({ topic: 'other' })
  await other.close()
  t.match(await run(['store', 'backup', store.directory, other.directory]), { code: 1, stderr: /BACKUP_MISMATCH/ })
})

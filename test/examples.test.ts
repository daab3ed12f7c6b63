/** The examples do what they say they do. They verify their own results and fail when one is wrong. */
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ended, packageRoot } from './cli/run.js'

async function example(t: Test, name: string) {
  const temporary = t.testdir({})
  const child = spawn(process.execPath, [join(packageRoot, 'examples', name)], { env: { ...process.env, TMPDIR: temporary } })
  const outcome = await ended(child)
  t.match({ code: outcome.code, stderr: outcome.stderr }, { code: 0, stderr: '' })
  t.same(readdirSync(temporary), [], 'nothing is left behind')
  return outcome.stdout
}

t.test('the main job reads a store of Java’s, appends to it and finds everything again', async (t) => {
  const output = await example(t, 'main-job.mjs')
  t.match(output, /^\d+ records in \d+ bytes of log, \d+ queues of 6 topics$/m)
  t.match(output, /^ {2}FOUND; the next pull starts at 3 of \d+$/m)
  t.match(output, /^ {2}Java's \d+ records are there, byte for byte$/m)
  t.match(output, /^ {2}the log holds [\d,]+ records: \d+ of Java, 100,000 of millrace$/m)
})

t.test('the quick start appends, pulls, follows and flushes', async (t) => {
  const output = await example(t, 'quick-start.mjs')
  t.same(output.match(/^(?:pulled|followed) \d+/gm), [
    'pulled 0',
    'pulled 2',
    'followed 0',
    'followed 1',
    'followed 2',
    'followed 3',
    'followed 4',
  ])
  t.match(output, /PUT_OK: on disk up to log offset \d+\n$/)
})

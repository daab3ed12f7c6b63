/** A reader is killed at any moment, again and again: every message is handled at least once, in order, and only what was not committed again. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { exitCode } from '../support/exit-code.js'
import { Random, rounds, seed } from '../support/random.js'

const program = fileURLToPath(new URL('../support/cursor-worker.js', import.meta.url))

t.test('every message that was appended is handled at least once', async (t) => {
  t.comment(`MILLRACE_SEED=${seed} MILLRACE_ROUNDS=${rounds}`)
  const random = new Random(seed)
  const root = t.testdir({})
  const notes = join(root, 'notes')
  const kills = 20 * rounds
  for (let kill = 0; kill < kills; kill++) {
    const child = spawn(process.execPath, [program, join(root, 'store'), notes], { stdio: ['ignore', 'pipe', 'inherit'] })
    child.stdout.once('data', () => setTimeout(() => child.kill('SIGKILL'), random.int(120)))
    t.equal(await exitCode(child), 'SIGKILL')
  }

  let appended = -1
  let handled = -1
  let committed = 0
  let again = 0
  const wrong: string[] = []
  linesOf(notes).forEach((line, i) => {
    const [what, text] = line.split(' ') as [string, string]
    const number = Number(text)
    if (what === 'appended') appended = Math.max(appended, number)
    if (what === 'committed') committed = Math.max(committed, number)
    if (what !== 'handled') return
    // A new process begins again somewhere between what was committed and what was handled.
    if (number < committed || number > handled + 1) wrong.push(`${line} after ${handled}, committed ${committed}, line ${i}`)
    if (number <= handled) again++
    handled = number
  })
  t.same(wrong, [])
  t.ok(
    handled > 0 && appended > 0 && committed > 0,
    `${kills} kills, ${appended + 1} appended, ${handled + 1} handled, ${again} of them again`,
  )
})

const linesOf = (notes: string): string[] => readFileSync(notes, 'utf8').split('\n').slice(0, -1)

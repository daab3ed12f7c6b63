import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ended, packageRoot, run, start } from './run.js'

const levels = [[], ['store'], ['store', 'info'], ['store', 'dump'], ['store', 'append']]

for (const level of levels) {
  t.test(`\`millrace ${[...level, '--help'].join(' ')}\` prints how it is used and its exit codes`, async (t) => {
    const { code, stdout, stderr } = await run([...level, '--help'])
    t.equal(code, 0)
    t.match(stdout, new RegExp(`^Usage: millrace ?${level.join(' ')}`))
    t.match(stdout, /Exit codes:\n {2}0 .*\n {2}1 .*\n {2}2 .*\n {2}130 /)
    t.equal(stderr, '')
  })
}

t.test('every store command takes --settings and --on-corruption', async (t) => {
  for (const level of levels.slice(2)) {
    const { stdout } = await run([...level, '--help'])
    t.match(stdout, '--settings <file>')
    t.match(stdout, '--on-corruption <what>')
  }
})

const wrong: Record<string, string[]> = {
  'an unknown command': ['store', 'dmup'],
  'an unknown option': ['store', 'info', '.', '--jsno'],
  'a missing directory': ['store', 'info'],
  'a directory too many': ['store', 'info', '.', '.'],
  'an offset that is no number': ['store', 'dump', '.', '--from', '-1'],
  'a queue without a topic': ['store', 'dump', '.', '--queue', '0'],
  'an unknown way with corruption': ['store', 'info', '.', '--on-corruption', 'ignore'],
}

for (const [what, args] of Object.entries(wrong)) {
  t.test(`${what} ends with 2 and one line on standard error`, async (t) => {
    const { code, stdout, stderr } = await run(args)
    t.equal(code, 2)
    t.equal(stdout, '')
    t.match(stderr, /^millrace: .+\n$/)
  })
}

t.test('--version prints the package’s', async (t) => {
  const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'))
  t.match(await run(['--version']), { code: 0, stdout: `${version}\n` })
})

t.test('help that nobody reads is no failure', async (t) => {
  const child = start('--help')
  child.stdout.destroy()
  t.match(await ended(child), { code: 0, stderr: '' })
})

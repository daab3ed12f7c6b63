import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { fixture } from '../support/fixtures.js'
import { ended, packageRoot, parsed, run, start } from './run.js'

const opening = ['info', 'dump', 'query', 'tail', 'append', 'backup'].map((command) => ['store', command])
const storeCommands = [...opening, ...['verify', 'rebuild', 'recover'].map((command) => ['store', command])]
const benches = ['append', 'pull', 'sync'].map((kind) => ['bench', kind])
const levels = [[], ['store'], ...storeCommands, ['bench'], ...benches]

for (const level of levels) {
  t.test(`\`millrace ${[...level, '--help'].join(' ')}\` prints how it is used and its exit codes`, async (t) => {
    const { code, stdout, stderr } = await run([...level, '--help'])
    t.equal(code, 0)
    t.match(stdout, new RegExp(`^Usage: millrace ?${level.join(' ')}`))
    t.match(stdout, /Exit codes:\n {2}0 .*\n {2}1 .*\n {2}2 .*\n {2}130 /)
    t.equal(stderr, '')
  })
}

t.test('every command takes --settings and --json, and those that open a store as it is --on-corruption', async (t) => {
  for (const level of [...storeCommands, ...benches]) {
    const { stdout } = await run([...level, '--help'])
    t.match(stdout, '--settings <file>', level.join(' '))
    t.match(stdout, '--json', level.join(' '))
    t.equal(stdout.includes('--on-corruption <what>'), opening.includes(level), level.join(' '))
  }
})

t.test('--json where lines of JSON come anyway changes nothing', async (t) => {
  const { dir, settingsFile } = fixture('empty-4.9')
  const messages = '{"body":"one","keys":["k"]}\n{"body":"two"}\n'
  const appended = await run(['store', 'append', dir, '--topic', 'orders', '--json', '--settings', settingsFile], messages)
  t.match({ ...appended, stdout: JSON.parse(appended.stdout) }, { code: 0, stdout: { appended: 2 } })
  for (const [command, ...args] of [['dump'], ['tail', '--topic', 'orders'], ['query', '--topic', 'orders', '--key', 'k']] as const) {
    const { code, stdout } = await run(['store', command, dir, ...args])
    t.match(parsed(stdout)[0], { topic: 'orders', body: 'one' })
    t.match(await run(['store', command, dir, ...args, '--json']), { code, stdout })
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

/** README speaks of everything that there is. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { MessageStore } from '#src/index.js'
import { packageRoot, run } from './cli/run.js'

const readme = readFileSync(join(packageRoot, 'README.md'), 'utf8')
const lacks = (words: readonly string[]) => words.filter((word) => !new RegExp(`\\b${word}\\b`).test(readme))

t.test('README has every public method of MessageStore', async (t) => {
  const names = [...Object.getOwnPropertyNames(MessageStore.prototype), 'open', 'attach'].filter((name) => name !== 'constructor')
  t.ok(names.length > 20)
  t.same(lacks(names), [])
})

t.test('README has every option of open', async (t) => {
  const declaration = /export interface StoreOptions \{(.*?)^\}/ms.exec(
    readFileSync(join(packageRoot, 'src', 'store', 'options.ts'), 'utf8'),
  )
  const names = [...(declaration?.[1] ?? '').matchAll(/^ {2}(\w+)\??:/gm)].map(([, name = '']) => name)
  t.ok(names.length > 10)
  t.same(lacks(names), [])
})

t.test('README has every option of the command', async (t) => {
  const commands = ['info', 'verify', 'dump', 'query', 'tail', 'append', 'backup', 'rebuild', 'recover'].map((command) => [
    'store',
    command,
  ])
  for (const command of [...commands, ['bench', 'append'], ['namesrv']]) {
    const { stdout } = await run([...command, '--help'])
    const options = [...stdout.matchAll(/^ {2}(?:-\w, )?--([\w-]+)/gm)].map(([, name]) => `--${name}`)
    t.same(
      options.filter((option) => !readme.includes(option)),
      [],
    )
  }
})

t.test('README leads to every document, and to none that is missing', async (t) => {
  const documents = readdirSync(join(packageRoot, 'docs')).map((name) => `docs/${name}`)
  const links = new Set([...readme.matchAll(/\]\((docs\/[^)#]+)\)/g)].map(([, path]) => path))
  t.same([...links].sort(), documents.sort())
})

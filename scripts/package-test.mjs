// Packs millrace as npm publishes it, installs it in a program of its own, and loads it there by require, by import and as a command.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const program = mkdtempSync(join(tmpdir(), 'millrace-package-'))

function run(name, command, args, cwd = program) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' })
  console.log(`${status === 0 ? 'ok' : 'NOT OK'} ${name}`)
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}\n${stdout}${stderr}`)
  return stdout
}

try {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  run('the package is packed', 'npm', ['pack', '--pack-destination', program], root)
  writeFileSync(join(program, 'package.json'), '{ "private": true }\n')
  run('the package installs', 'npm', ['install', '--no-audit', '--no-fund', join(program, `millrace-${version}.tgz`)])
  run('require() loads it', process.execPath, ['-e', "if (typeof require('millrace').MessageStore.open !== 'function') process.exit(1)"])
  const imported = "import { MessageStore } from 'millrace'; if (typeof MessageStore.open !== 'function') process.exit(1)"
  run('import loads it', process.execPath, ['--input-type=module', '-e', imported])
  run('its command runs', join(program, 'node_modules/.bin/millrace'), ['--help'])

  const typed = "import { MessageStore } from 'millrace'\nexport const opened: Promise<MessageStore> = MessageStore.open('data')\n"
  for (const name of ['module.mts', 'commonjs.cts']) writeFileSync(join(program, name), typed)
  const tsc = [
    join(root, 'node_modules/typescript/bin/tsc'),
    '--noEmit',
    '--strict',
    '--module',
    'nodenext',
    '--target',
    'es2022',
    '--types',
    'node',
  ]
  run('its types serve modules and CommonJS', process.execPath, [
    ...tsc,
    '--typeRoots',
    join(root, 'node_modules/@types'),
    'module.mts',
    'commonjs.cts',
  ])
} finally {
  rmSync(program, { recursive: true, force: true })
}

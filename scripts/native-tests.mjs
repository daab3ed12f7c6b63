// Builds native/core with the tests of native/test into one program and runs it.
//   node scripts/native-tests.mjs [--sanitize=address,undefined | --sanitize=thread] [NAME…]     NAME: part of a test's name
// Objects lie in build/native[-SANITIZER] and are compiled again when they, a header they include or the flags have changed. $CXX is the compiler.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

process.chdir(dirname(dirname(fileURLToPath(import.meta.url))))

const { values, positionals } = parseArgs({ options: { sanitize: { type: 'string' } }, allowPositionals: true })
const sanitizer = values.sanitize
const build = sanitizer ? `build/native-${sanitizer.replaceAll(',', '-')}` : 'build/native'

const compiler = process.env.CXX || ['g++', 'clang++'].find((name) => spawnSync(name, ['--version']).status === 0)
if (!compiler) throw new Error('native-tests: neither g++ nor clang++ was found; name one with CXX=…')

const warnings = ['-Wall', '-Wextra']
const flags = ['-std=c++20', '-O1', '-g', '-pthread', '-D_GNU_SOURCE', '-D_FILE_OFFSET_BITS=64', '-Inative/core', ...warnings]
if (sanitizer) flags.push(`-fsanitize=${sanitizer}`, '-fno-omit-frame-pointer', '-fno-sanitize-recover=all')

const run = (command, args, env) => spawnSync(command, args, { stdio: 'inherit', env: { ...process.env, ...env } })
const modified = (path) => (existsSync(path) ? statSync(path).mtimeMs : Number.NaN)

/** What an object was made from, by the rule that the compiler wrote beside it. */
const inputs = (rule) => readFileSync(rule, 'utf8').replaceAll('\\\n', ' ').split(/\s+/).slice(1).filter((path) => path && !path.endsWith(':'))

function compile(source) {
  const object = join(build, source.replaceAll('/', '-').replace(/\.cc$/, '.o'))
  const rule = object.replace(/\.o$/, '.d')
  const fresh = existsSync(object) && existsSync(rule) && inputs(rule).every((path) => modified(path) <= modified(object))
  if (!fresh && run(compiler, [...flags, '-MMD', '-c', source, '-o', object]).status !== 0) process.exit(1)
  return { object, fresh }
}

mkdirSync(build, { recursive: true })
const command = [compiler, ...flags].join(' ')
const commandFile = join(build, 'command')
if (!existsSync(commandFile) || readFileSync(commandFile, 'utf8') !== command) {
  for (const name of readdirSync(build)) if (name.endsWith('.d')) writeFileSync(join(build, name), `made-by-another-command: ${name}-is-missing`)
  writeFileSync(commandFile, command)
}

const sources = ['native/core', 'native/test'].flatMap((folder) => readdirSync(folder).filter((name) => name.endsWith('.cc')).sort().map((name) => join(folder, name)))
const objects = sources.map(compile)
const program = join(build, 'tests')
if (!existsSync(program) || objects.some(({ object, fresh }) => !fresh || modified(object) > modified(program))) {
  if (run(compiler, [...flags, ...objects.map(({ object }) => object), '-o', program]).status !== 0) process.exit(1)
}

const { status, signal } = run(program, positionals, {
  ASAN_OPTIONS: 'detect_stack_use_after_return=1:allow_user_segv_handler=1:handle_sigbus=0',
  TSAN_OPTIONS: 'halt_on_error=1:second_deadlock_stack=1',
  UBSAN_OPTIONS: 'print_stacktrace=1',
})
if (signal) console.error(`${basename(program)} ended by ${signal}`)
process.exit(status ?? 1)

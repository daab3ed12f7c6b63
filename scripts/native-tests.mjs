// Builds native/core with the tests of native/test into one program and runs it.
//   node scripts/native-tests.mjs [--sanitize=address,undefined | --sanitize=thread] [NAME…]     NAME: part of a test's name
// Objects lie in build/native[-SANITIZER] and are compiled again when they, a header they include or the command have changed. $CXX is the compiler.
// With a sanitizer its canary of native/test/canary runs first and must be caught: a sanitizer that sees nothing proves nothing.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

process.chdir(dirname(dirname(fileURLToPath(import.meta.url))))

const { values, positionals } = parseArgs({ options: { sanitize: { type: 'string' } }, allowPositionals: true })
const sanitizers = values.sanitize?.split(',') ?? []
const build = ['build/native', ...sanitizers].join('-')

const works = (command, ...args) => spawnSync(command, args, { stdio: 'ignore' }).status === 0
const compiler = process.env.CXX || ['g++', 'clang++'].find((name) => works(name, '--version'))
if (!compiler) throw new Error('native-tests: neither g++ nor clang++ was found; name one with CXX=…')

const flags = [
  '-std=c++20',
  '-O1',
  '-g',
  '-pthread',
  '-D_GNU_SOURCE',
  '-D_FILE_OFFSET_BITS=64',
  '-DMILLRACE_CANARIES',
  '-Inative/core',
  '-Wall',
  '-Wextra',
]
if (sanitizers.length > 0) flags.push(`-fsanitize=${sanitizers}`, '-fno-omit-frame-pointer', '-fno-sanitize-recover=all')

const environment = {
  ...process.env,
  // SIGBUS is the core's own business.
  ASAN_OPTIONS: 'detect_stack_use_after_return=1:handle_sigbus=0',
  TSAN_OPTIONS: 'halt_on_error=1:second_deadlock_stack=1',
  UBSAN_OPTIONS: 'print_stacktrace=1',
}
// ThreadSanitizer's fixed memory layout does not get along with much randomness of addresses.
const steady = sanitizers.includes('thread') && works('setarch', '-R', 'true') ? ['setarch', '-R'] : []
const run = (program, args = [], stdio = 'inherit') => {
  const [command, ...rest] = [...steady, program, ...args]
  return spawnSync(command, rest, { stdio, env: environment })
}

function compile(...args) {
  if (spawnSync(compiler, [...flags, ...args], { stdio: 'inherit' }).status !== 0) process.exit(1)
}

const modified = (path) => (existsSync(path) ? statSync(path).mtimeMs : Number.POSITIVE_INFINITY)

/** What an object was made from, by the rule that the compiler wrote beside it. */
const inputs = (rule) => readFileSync(rule, 'utf8').replaceAll('\\\n', ' ').trim().split(/\s+/).slice(1)

function objectOf(source) {
  const object = join(build, source.replaceAll('/', '-').replace(/\.cc$/, '.o'))
  const rule = object.replace(/\.o$/, '.d')
  if (!existsSync(object) || !inputs(rule).every((path) => modified(path) <= modified(object))) compile('-MMD', '-c', source, '-o', object)
  return object
}

const command = [compiler, ...flags].join(' ')
const commandFile = join(build, 'command')
if (!existsSync(commandFile) || readFileSync(commandFile, 'utf8') !== command) rmSync(build, { recursive: true, force: true })
mkdirSync(build, { recursive: true })
writeFileSync(commandFile, command)

for (const name of sanitizers) {
  const canary = join(build, `canary-${name}`)
  if (!existsSync(canary)) compile(`native/test/canary/${name}.cc`, '-o', canary)
  const { status, stderr } = run(canary, [], 'pipe')
  const caught = status !== 0 && /Sanitizer|runtime error/.test(String(stderr))
  console.log(`${caught ? 'ok' : 'NOT OK'} the ${name} sanitizer catches its canary`)
  if (!caught) process.exit(1)
}

const sources = ['native/core', 'native/wire', 'native/test'].flatMap((folder) =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.cc'))
    .sort()
    .map((name) => join(folder, name)),
)
const objects = sources.map(objectOf)
const program = join(build, 'tests')
const linked = join(build, 'linked')
const contents = objects.join('\n')
if (
  !existsSync(program) ||
  !existsSync(linked) ||
  readFileSync(linked, 'utf8') !== contents ||
  !objects.every((object) => modified(object) <= modified(program))
) {
  compile(...objects, '-o', program)
  writeFileSync(linked, contents)
}

const { status, signal } = run(program, positionals)
if (signal) console.error(`the tests were ended by ${signal}`)
process.exit(status ?? 1)

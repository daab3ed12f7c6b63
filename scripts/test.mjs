// Compiles src and test and runs the tests with tap.
//   node scripts/test.mjs               all but test/interop, under c8, which fails below the thresholds of .c8rc.json
//   node scripts/test.mjs PART…         those whose path holds one of the parts, without coverage
//   node scripts/test.mjs --interop     test/interop, which needs Java and Maven
// --full gives the suites that count rounds their full length (MILLRACE_FULL=1), --no-build takes what is compiled, --no-coverage leaves c8 out.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

process.chdir(dirname(dirname(fileURLToPath(import.meta.url))))

const { values: options, positionals: parts } = parseArgs({
  options: {
    interop: { type: 'boolean', default: false },
    full: { type: 'boolean', default: false },
    build: { type: 'boolean', default: true },
    coverage: { type: 'boolean', default: true },
  },
  allowNegative: true,
  allowPositionals: true,
})

/** Runs a package's program with the running node, as `npx` would with the one in PATH. */
function run(program, args) {
  const env = { ...process.env, ...(options.full && { MILLRACE_FULL: '1' }) }
  const { status, error } = spawnSync(process.execPath, [join('node_modules', program), ...args], { stdio: 'inherit', env })
  if (error) throw error
  return status ?? 1
}

let failed = 0
if (options.build) for (const project of ['tsconfig.json', 'tsconfig.test.json']) failed ||= run('typescript/bin/tsc', ['-p', project])

// The compiled file of each source: what an earlier version of the tree left in build/test is not run.
const files = readdirSync('test', { recursive: true })
  .filter((name) => name.endsWith('.test.ts') && name.startsWith('interop/') === options.interop)
  .filter((name) => parts.length === 0 || parts.some((part) => join('test', name).includes(part)))
  .sort()
  .map((name) => join('build/test', name.replace(/\.ts$/, '.js')))
if (files.length === 0) {
  console.error(`test: no test matches ${parts.join(' ')}`)
  process.exit(1)
}

// A full run takes as long as it takes: the net of .taprc is for the others.
const tap = ['tap/dist/esm/run.mjs', ['--jobs=2', ...(options.full ? ['--timeout=0'] : []), ...files]]
const whole = parts.length === 0 && !options.interop
const tests = whole && options.coverage ? run('c8/bin/c8.js', [process.execPath, join('node_modules', tap[0]), ...tap[1]]) : run(...tap)
process.exit(failed || tests)

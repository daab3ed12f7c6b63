// Builds the core with its tests for Linux arm64 on a machine of another kind, and runs them in an emulator: with pages of 4 KiB, and with the 64 KiB
// that some arm64 kernels have (the emulator plays them; the kernel under it keeps its own). The addon's own files are compiled, too, but not run.
//   node scripts/arm64-tests.mjs [NAME…]     NAME: part of a test's name
// $CXX_ARM64 is the compiler, $QEMU_ARM64 the emulator.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findNodeDir } from './node-headers.mjs'

process.chdir(dirname(dirname(fileURLToPath(import.meta.url))))

const works = (command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0
const compiler = process.env.CXX_ARM64 || 'aarch64-linux-gnu-g++'
const emulator = process.env.QEMU_ARM64 || ['qemu-aarch64-static', 'qemu-aarch64'].find(works) || 'qemu-aarch64-static'
const missing = [compiler, emulator].filter((name) => !works(name))
if (missing.length > 0) {
  console.error(
    `arm64-tests: not found: ${missing.join(', ')}. On Debian and Ubuntu: apt-get install g++-aarch64-linux-gnu qemu-user-static; ` +
      'elsewhere name them with CXX_ARM64=… and QEMU_ARM64=…. On an arm64 machine itself npm run test:native does the same.',
  )
  process.exit(1)
}

function run(command, args, env = {}) {
  const { status, signal } = spawnSync(command, args, { stdio: 'inherit', env: { ...process.env, ...env } })
  if (signal) console.error(`arm64-tests: ${command} was ended by ${signal}`)
  if (status !== 0) process.exit(status ?? 1)
}

const sources = (folder) =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.cc'))
    .sort()
    .map((name) => join(folder, name))
const flags = ['-std=c++20', '-O2', '-pthread', '-D_GNU_SOURCE', '-D_FILE_OFFSET_BITS=64', '-Inative/core', '-Wall', '-Wextra', '-Werror']
const includes = [join(findNodeDir(), 'include/node'), createRequire(import.meta.url)('node-addon-api').include_dir]
const addonFlags = ['-DNAPI_VERSION=9', '-DNODE_ADDON_API_DISABLE_CPP_EXCEPTIONS', ...includes.map((path) => `-isystem${path}`)]
const program = 'build/native-arm64/tests'

mkdirSync(dirname(program), { recursive: true })
run(compiler, [...flags, '-static', ...sources('native/core'), ...sources('native/wire'), ...sources('native/test'), '-o', program])
run(compiler, [...flags, ...addonFlags, '-fsyntax-only', ...sources('native/napi')])
for (const bytes of [4096, 65536]) {
  console.log(`arm64, pages of ${bytes} bytes`)
  run(emulator, [program, ...process.argv.slice(2)], { QEMU_PAGESIZE: String(bytes), MILLRACE_EMULATOR: emulator })
}

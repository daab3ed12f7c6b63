// Compiles the core, its tests and the addon's files for macOS (arm64 and x64) on a machine of another kind, and runs nothing: by zig's clang, which
// comes with the system's headers.
//   node scripts/macos-compile.mjs [FILE…]
// $ZIG is zig, else the wheel that pip puts into build/tools.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findNodeDir } from './node-headers.mjs'

const version = '0.13.0'
// The x64 baseline and what a function may ask for beyond it: zig's clang counts 512-bit registers as a feature of their own.
const targets = [['aarch64-macos.12.0'], ['x86_64-macos.12.0', '-mcpu=x86_64+evex512']]

process.chdir(dirname(dirname(fileURLToPath(import.meta.url))))

function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' })
  if (error) throw error
  return status ?? 1
}

function findZig() {
  if (process.env.ZIG) return process.env.ZIG
  const folder = resolve('build/tools', `zig-${version}`)
  const program = join(folder, 'ziglang/zig')
  if (!existsSync(program) && run('python3', ['-m', 'pip', 'install', '--quiet', '--target', folder, `ziglang==${version}`]) !== 0) {
    console.error('macos-compile: pip did not install ziglang; name a zig with ZIG=…')
    process.exit(1)
  }
  return program
}

const all = ['native/core', 'native/wire', 'native/test', 'native/napi'].flatMap((folder) =>
  readdirSync(folder).map((name) => join(folder, name)),
)
const files = process.argv.length > 2 ? process.argv.slice(2) : all.filter((name) => name.endsWith('.cc')).sort()
const includes = [join(findNodeDir(), 'include/node'), createRequire(import.meta.url)('node-addon-api').include_dir]
const flags = [
  '-std=c++20',
  '-O1',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-Inative/core',
  '-DNAPI_VERSION=9',
  '-DNODE_ADDON_API_DISABLE_CPP_EXCEPTIONS',
]
const zig = findZig()
process.env.ZIG_GLOBAL_CACHE_DIR ??= resolve('build/tools/zig-cache')
mkdirSync('build/native-macos', { recursive: true })

let failed = 0
for (const [target, ...options] of targets) {
  for (const file of files) {
    const command = ['c++', `--target=${target}`, ...options, ...flags, ...includes.map((path) => `-isystem${path}`)]
    const ok = run(zig, [...command, '-c', file, '-o', 'build/native-macos/object.o']) === 0
    console.log(`${ok ? 'ok' : 'NOT OK'} ${file} compiles for ${target}`)
    if (!ok) failed++
  }
}
process.exit(failed > 0 ? 1 : 0)

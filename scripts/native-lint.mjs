// Checks the C++ files with clang-tidy, by .clang-tidy: $CLANG_TIDY, or the wheel that pip puts into build/tools.
//   node scripts/native-lint.mjs [FILE…]
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findNodeDir } from './node-headers.mjs'

const version = '20.1.0'

process.chdir(dirname(dirname(fileURLToPath(import.meta.url))))

function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' })
  if (error) throw error
  return status ?? 1
}

function clangTidy() {
  if (process.env.CLANG_TIDY) return process.env.CLANG_TIDY
  const folder = resolve('build/tools', `clang-tidy-${version}`)
  const program = join(folder, 'clang_tidy/data/bin/clang-tidy')
  if (!existsSync(program) && run('python3', ['-m', 'pip', 'install', '--quiet', '--target', folder, `clang-tidy==${version}`]) !== 0) {
    console.error('native-lint: pip did not install clang-tidy; name one with CLANG_TIDY=…')
    process.exit(1)
  }
  return program
}

const all = ['native/core', 'native/wire', 'native/napi'].flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
const files = process.argv.length > 2 ? process.argv.slice(2) : all.filter((name) => name.endsWith('.cc')).sort()
const includes = [createRequire(import.meta.url)('node-addon-api').include_dir, join(findNodeDir(), 'include/node')]
const flags = [
  '-std=c++20',
  '-D_GNU_SOURCE',
  '-DNAPI_VERSION=9',
  '-DNODE_ADDON_API_DISABLE_CPP_EXCEPTIONS',
  ...includes.map((path) => `-isystem${resolve(path)}`),
]
process.exit(run(clangTidy(), ['--quiet', ...files, '--', ...flags]))

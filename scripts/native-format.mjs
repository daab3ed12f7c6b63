// Checks that the files in C++ and C are formatted as .clang-format says, or formats them with --write. $CLANG_FORMAT takes the place of the packaged one.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

process.chdir(dirname(dirname(fileURLToPath(import.meta.url))))

const files = ['native', 'bench/native']
  .flatMap((folder) => readdirSync(folder, { recursive: true }).map((name) => join(folder, name)))
  .filter((name) => /\.(cc|c|h)$/.test(name))
  .sort()
const command = process.env.CLANG_FORMAT ?? createRequire(import.meta.url)('clang-format').getNativeBinary()
const mode = process.argv.includes('--write') ? ['-i'] : ['--dry-run', '-Werror']
const { status, error } = spawnSync(command, [...mode, ...files], { stdio: 'inherit' })
if (error) throw error
process.exit(status ?? 1)

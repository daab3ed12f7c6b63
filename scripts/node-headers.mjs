// Where the headers of the running node are: beside it, as in Node's own archives, or where a package manager puts them. Never downloaded.
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

/** The first folder with headers of the running node's major version, for node-gyp's --nodedir. Ends the process where there is none. */
export function findNodeDir() {
  const seen = []
  for (const nodedir of new Set(candidates())) {
    const version = headersVersion(nodedir)
    if (version?.split('.')[0] === process.versions.node.split('.')[0]) return nodedir
    seen.push(`  ${join(nodedir, 'include/node')}: ${version ? `headers of Node ${version}` : 'no headers'}`)
  }
  console.error(
    `millrace: the headers of Node ${process.versions.node} (${process.execPath}) were not found; they are not downloaded.\nLooked in\n` +
      `${seen.join('\n')}\nThey come with Node's own archives (include/node beside bin/node). Where a package manager leaves them out, install its ` +
      'development package (libnode-dev, nodejs-devel), or name the folder above include/node:\n  npm_config_nodedir=/path/to/node npm ci',
  )
  process.exit(1)
}

/** Folders that may hold `include/node`, the caller's word first. */
function candidates() {
  const { npm_config_nodedir, PREFIX } = process.env
  const beside = [process.execPath, realpathSync(process.execPath)].map((node) => resolve(dirname(node), '..'))
  return [npm_config_nodedir, ...beside, PREFIX, '/usr/local', '/usr'].filter(Boolean)
}

/** The version that a folder's headers belong to, or undefined where there are none. */
function headersVersion(nodedir) {
  const header = join(nodedir, 'include/node/node_version.h')
  if (!existsSync(header) || !existsSync(join(nodedir, 'include/node/common.gypi'))) return undefined
  const text = readFileSync(header, 'utf8')
  return ['MAJOR', 'MINOR', 'PATCH'].map((part) => text.match(new RegExp(`#define NODE_${part}_VERSION (\\d+)`))?.[1]).join('.')
}

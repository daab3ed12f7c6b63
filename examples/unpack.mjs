// Unpacks a .tar.gz of ordinary files and folders, so that the examples need nothing but Node.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { gunzipSync } from 'node:zlib'

const BLOCK_BYTES = 512

export function unpack(archive, directory) {
  const tar = gunzipSync(readFileSync(archive))
  for (let at = 0; tar[at] !== 0; ) {
    const text = (from, length) => tar.toString('utf8', at + from, at + from + length).replace(/\0.*$/s, '')
    const name = normalize(join('/', text(345, 155), text(0, 100)))
    const bytes = Number.parseInt(text(124, 12), 8)
    const type = text(156, 1)
    const content = at + BLOCK_BYTES
    if (type === '5') mkdirSync(join(directory, name), { recursive: true })
    else if (type === '0' || type === '') {
      mkdirSync(dirname(join(directory, name)), { recursive: true })
      writeFileSync(join(directory, name), tar.subarray(content, content + bytes))
    } else throw new Error(`${archive}: ${name} is neither a file nor a folder`)
    at = content + Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES
  }
}

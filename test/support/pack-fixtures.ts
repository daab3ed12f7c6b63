/** Packs folders of `store/`, `settings.properties` and `manifest.json` into test/fixtures: node build/test/support/pack-fixtures.js FOLDER... */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { brotliCompressSync, constants } from 'node:zlib'
import { create } from 'tar'

const params = {
  [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
  [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
}

for (const folder of process.argv.slice(2)) {
  // Sorted, and without owners and times: the same files make the same archive.
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(folder, '/').length))
    .sort()
  const archive = join('test', 'fixtures', `${basename(folder)}.tar`)
  create({ file: archive, cwd: folder, portable: true, noMtime: true, sync: true }, files)
  writeFileSync(`${archive}.br`, brotliCompressSync(readFileSync(archive), { params }))
  rmSync(archive)
}

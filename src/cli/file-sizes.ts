/** How many files a part of a store has, how long they are, and what of that the disk holds: they are sparse. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

export interface FoundFile {
  name: string
  bytes: number
  onDisk: number
  /** Unix milliseconds. */
  modified: number
}

export interface Sizes {
  files: number
  bytes: number
  onDisk: number
}

const BLOCK_BYTES = 512

/** Files in a folder, and in those up to `depth` levels below it, by name; what goes meanwhile is left out. */
export async function filesIn(folder: string, depth = 0): Promise<FoundFile[]> {
  const files: FoundFile[] = []
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  for (const entry of entries) {
    const path = join(folder, entry.name)
    if (entry.isDirectory() && depth > 0) files.push(...(await filesIn(path, depth - 1)))
    if (!entry.isFile()) continue
    const info = await stat(path).catch(() => undefined)
    if (info !== undefined) files.push({ name: entry.name, bytes: info.size, onDisk: info.blocks * BLOCK_BYTES, modified: info.mtimeMs })
  }
  return files.sort((a, b) => (a.name < b.name ? -1 : 1))
}

export function sizesOf(files: readonly FoundFile[]): Sizes {
  const sum = { files: files.length, bytes: 0, onDisk: 0 }
  for (const { bytes, onDisk } of files) {
    sum.bytes += bytes
    sum.onDisk += onDisk
  }
  return sum
}

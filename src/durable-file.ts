/** Small files that are replaced as a whole: after a crash there is the old one or the new one, and once it has settled the new one. */
import { open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

export async function replaceFile(path: string, text: string): Promise<void> {
  const birth = `${path}.tmp`
  await rm(birth, { force: true }) // a leftover, or a link to somewhere else
  const file = await open(birth, 'wx')
  try {
    await file.writeFile(text)
    await file.datasync()
  } finally {
    await file.close()
  }
  await rename(birth, path)
  await syncFolder(dirname(path))
}

/** Makes the names in a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** Folders and files as they lie, whoever made them: links are not followed, and nothing is taken for what it should be. */
import { closeSync, openSync, readSync } from 'node:fs'
import { lstat, opendir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseFileName } from '../format/file-name.js'
import type { Finding, Findings } from './findings.js'

/** RocketMQ's sizes are 32-bit integers. */
const MAX_FILE_BYTES = 0x7fffffff

export interface NumberedFile {
  name: string
  path: string
  /** As findings name it. */
  shown: string
  from: number
  bytes: number
}

/** The names in a folder; none where there is no folder. */
export async function namesIn(path: string): Promise<string[]> {
  const names: string[] = []
  try {
    for await (const { name } of await opendir(path)) names.push(name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  return names.sort()
}

/** The files of a log or queue in order, over all its folders, as long as they follow each other; the rest is found. */
export async function numberedFiles(
  root: string,
  folders: readonly string[],
  part: Finding['part'],
  multiple: number,
  findings: Findings,
): Promise<NumberedFile[]> {
  const files: NumberedFile[] = []
  const names: { name: string; path: string }[] = []
  for (const folder of folders) for (const name of await namesIn(resolve(root, folder))) names.push({ name, path: join(folder, name) })
  names.sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const { name, path } of names) {
    const from = parseFileName(name)
    const found = (problem: string) => findings.add({ part, path, problem })
    const info = await lstat(resolve(root, path))
    if (from === undefined || !info.isFile()) found(info.isSymbolicLink() ? 'is a symbolic link' : 'does not belong here')
    else if (info.size === 0) found('has no length: a program died while making it')
    else if (info.size > MAX_FILE_BYTES) found(`has ${info.size} bytes; no setting allows more than ${MAX_FILE_BYTES}`)
    else if (info.size % multiple !== 0) found(`has ${info.size} bytes, no multiple of ${multiple}`)
    else if (files.length > 0 && info.size !== files[0]!.bytes) found(`has ${info.size} bytes, the first file has ${files[0]!.bytes}`)
    else if (from % info.size !== 0 || (files.length > 0 && from !== files.at(-1)!.from + info.size))
      found('does not follow the file before it')
    else files.push({ name, path: resolve(root, path), shown: path, from, bytes: info.size })
  }
  return files
}

/** A small file of a length that is known (undefined: any); what stands in the way of reading it is found. Undefined too where nothing is there. */
export async function wholeFile(
  root: string,
  path: string,
  bytes: number | undefined,
  found: (problem: string) => void,
): Promise<Buffer | undefined> {
  const full = join(root, path)
  if (!(await exists(full))) return undefined
  const info = await lstat(full)
  if (!info.isFile()) found(info.isSymbolicLink() ? 'is a symbolic link' : 'is no file')
  else if (bytes !== undefined && info.size !== bytes) found(`has ${info.size} bytes, not ${bytes}`)
  else return readFile(full)
  return undefined
}

export async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false
      throw error
    },
  )
}

/** At most `bytes` bytes of a file from `at` on. */
export function readPiece(path: string, at: number, bytes: number, into?: Buffer): Buffer {
  const fd = openSync(path, 'r')
  try {
    const piece = into ?? Buffer.allocUnsafe(bytes)
    let got = 0
    while (got < bytes) {
      const read = readSync(fd, piece, got, bytes - got, at + got)
      if (read === 0) break
      got += read
    }
    return piece.subarray(0, got)
  } finally {
    closeSync(fd)
  }
}

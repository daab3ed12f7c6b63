/** The project's own files as text, for the tests that hold its rules. */
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, posix } from 'node:path'
import ts from 'typescript'

const root = dirname(createRequire(import.meta.url).resolve('millrace/package.json'))

/** What is made, fetched, or not text. */
const foreign = /^(\.git|\.tap|build|coverage|dist)$|(^|\/)node_modules$|\.(br|gz|png)$/

export interface SourceFile {
  /** From the project's root, with forward slashes. */
  readonly path: string
  readonly text: string
}

/** Every file of the tree whose path starts with `under`, sorted by path. */
export function sourceFiles(under = ''): SourceFile[] {
  const found: SourceFile[] = []
  const walk = (folder: string) => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = posix.join(folder, entry.name)
      if (foreign.test(path)) continue
      if (entry.isDirectory()) walk(path)
      else if (entry.isFile() && path.startsWith(under)) found.push({ path, text: readFileSync(join(root, path), 'utf8') })
    }
  }
  walk('')
  return found.sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** What a TypeScript file imports: own modules as paths from the root without extension, others by their names. */
export function imports({ path, text }: SourceFile): string[] {
  const names = ts.preProcessFile(text).importedFiles.map(({ fileName }) => fileName)
  return names.map((name) => (name.startsWith('.') ? posix.join(posix.dirname(path), name).replace(/\.js$/, '') : name))
}

/** What a C++ file includes, paths in quotes made whole. */
export function includes({ path, text }: SourceFile): string[] {
  return [...text.matchAll(/^\s*#\s*include\s*(?:<([^>]+)>|"([^"]+)")/gm)].map(
    ([, system, own]) => system ?? posix.join(posix.dirname(path), own ?? ''),
  )
}

/** `path:line` of every line that the pattern matches. */
export function linesMatching(files: readonly SourceFile[], pattern: RegExp): string[] {
  return files.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [])),
  )
}

/** Runs the built program as a process of its own. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

export const packageRoot = dirname(createRequire(import.meta.url).resolve('millrace/package.json'))

export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Starts it; standard input is left to the caller. */
export function start(...args: readonly string[]): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [join(packageRoot, 'dist', 'cli', 'main.js'), ...args])
}

/** Waits for the end of a process and all of its output. */
export async function ended(child: ChildProcessWithoutNullStreams): Promise<Outcome> {
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text
  })
  const [code] = await once(child, 'close')
  return { code, stdout, stderr }
}

/** Runs it to its end with this standard input. */
export function run(args: readonly string[], input: string | Uint8Array = ''): Promise<Outcome> {
  const child = start(...args)
  child.stdin.on('error', () => {}) // a program that ends early does not read the rest
  child.stdin.end(input)
  return ended(child)
}

/** Values of NDJSON. */
export function parsed(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}

/** NDJSON of values. */
export function ndjson(values: readonly unknown[]): string {
  return values.map((value) => `${JSON.stringify(value)}\n`).join('')
}

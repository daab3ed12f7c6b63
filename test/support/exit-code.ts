import type { ChildProcess } from 'node:child_process'

/** The exit code, or the signal's name, of a process that has ended or will. */
export function exitCode(child: ChildProcess): Promise<number | NodeJS.Signals> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.signalCode ?? child.exitCode ?? 0)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve(signal ?? code ?? 0))
  })
}

/** Runs `crash-writer` and kills it at a moment nobody chose. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { WriterOptions } from './crash-writer.js'
import { exitCode } from './exit-code.js'
import type { Random } from './random.js'

const program = fileURLToPath(new URL('crash-writer.js', import.meta.url))

export interface CrashOptions extends Omit<WriterOptions, 'seed'> {
  random: Random
  /** Death comes within as many milliseconds of the store being open … */
  killWithinMs: number
  /** … or with this chance of the time when the process could have begun to open it: it may hit recovery. Default 0. */
  early?: number
}

/** Resolves when the writer is dead; with `close` and no faults it has closed the store before. Any other end is an error that carries what it said. */
export async function runWriter({ random, killWithinMs, early = 0, ...options }: CrashOptions): Promise<void> {
  const writer: WriterOptions = { ...options, seed: random.int(2 ** 31) }
  const child = spawn(process.execPath, [program, JSON.stringify(writer)], { stdio: ['ignore', 'pipe', 'pipe'] })
  let complained = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complained += text
  })
  const kill = (ms: number): void => {
    setTimeout(() => child.kill('SIGKILL'), ms).unref()
  }
  const delay = random.int(killWithinMs * 10) / 10
  if (!options.close || options.faults) {
    if (random.chance(early)) kill(40 + delay)
    else child.stdout.once('data', () => kill(delay))
    kill(3000) // a stalled open prints nothing
  }
  child.stdout.resume()
  const code = await exitCode(child)
  if (code !== 'SIGKILL' && !(code === 0 && options.close))
    throw new Error(`the writer ended with ${code}: ${complained}\n${JSON.stringify(writer)}`)
}

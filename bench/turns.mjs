// Candidates that take turns. All of them live at once, one works for a turn, the others stand still (stopped by a signal): a disk that has its moods has
// them for all alike, and what a store does behind its answers falls into its own turns.
// A candidate has turns=N among its arguments; for each line of its standard input it does the next N-th of its messages and prints {count, seconds,
// cpuMicroseconds} in a line. The end of its input is its end.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { root } from './build.mjs'

export const TURNS = 20
/** Not counted: Node compiles, files get their first blocks. */
const WARM_UP = 3

/** `wanted`: name → {command, env}. Gives name → {rate, cpuMicroseconds, seconds} of all its turns, or the Error that took it out. */
export async function takeTurns(wanted) {
  const players = new Map()
  const outcomes = new Map()
  try {
    for (const [name, { command, env }] of Object.entries(wanted)) players.set(name, new Player(command, env))
    for (let turn = 0; turn < WARM_UP + TURNS; turn++) {
      for (const [name, player] of players) {
        if (outcomes.has(name)) continue
        try {
          await player.turn(turn >= WARM_UP)
        } catch (error) {
          outcomes.set(name, error)
        }
      }
    }
  } finally {
    for (const [name, player] of players) {
      const error = await player.end()
      if (!outcomes.has(name)) outcomes.set(name, error ?? player.sum())
    }
  }
  return outcomes
}

class Player {
  #child
  #lines
  #ended
  #complained = ''
  #total = { count: 0, seconds: 0, cpu: 0 }

  constructor([command, ...args], env = {}) {
    const child = spawn(command, args, { cwd: root, env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] })
    this.#ended = new Promise((resolve) => {
      child.once('error', (error) => resolve(error.message))
      child.once('close', (code, signal) => resolve(code === 0 ? undefined : `${signal ?? code}`))
    })
    child.stdin.on('error', () => {}) // it is gone: its end says why
    child.stderr.setEncoding('utf8').on('data', (text) => {
      this.#complained = (this.#complained + text).slice(-2000)
    })
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    this.#child = child
  }

  async turn(counts) {
    this.#child.kill('SIGCONT')
    this.#child.stdin.write('\n')
    const { value, done } = await this.#lines.next()
    if (done) throw new Error(`ended with ${await this.#ended}: ${this.#complained.trim()}`)
    this.#child.kill('SIGSTOP')
    if (!counts) return
    const { count, seconds, cpuMicroseconds } = JSON.parse(value)
    this.#total.count += count
    this.#total.seconds += seconds
    this.#total.cpu += cpuMicroseconds * count
  }

  async end() {
    this.#child.kill('SIGCONT')
    this.#child.stdin.end()
    const why = await this.#ended
    return why === undefined ? undefined : new Error(`ended with ${why}: ${this.#complained.trim()}`)
  }

  sum() {
    const { count, seconds, cpu } = this.#total
    return { rate: count / seconds, cpuMicroseconds: cpu / count, seconds }
  }
}

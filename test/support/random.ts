/** A small repeatable source of randomness. MILLRACE_SEED chooses it; otherwise every run has its own, which the tests print. */
import { randomInt } from 'node:crypto'

export const seed = Number(process.env.MILLRACE_SEED ?? randomInt(2 ** 31))

/** How many times the work of a CI run the tests do: MILLRACE_ROUNDS; 1 in CI and 10 in full. */
export const rounds = Number(process.env.MILLRACE_ROUNDS ?? (process.env.MILLRACE_FULL ? 10 : 1))

export class Random {
  #state: number

  constructor(from: number) {
    this.#state = from >>> 0
    this.#next() // neighbouring seeds begin apart
  }

  /** 0 ≤ n < below. */
  int(below: number): number {
    return Math.floor((this.#next() / 2 ** 32) * below)
  }

  between(least: number, most: number): number {
    return least + this.int(most - least + 1)
  }

  chance(probability: number): boolean {
    return this.#next() < probability * 2 ** 32
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.int(choices.length)] as T
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length)
    for (let i = 0; i < length; i++) bytes[i] = this.#next() >>> 24
    return bytes
  }

  /** A linear step and two rounds of mixing. */
  #next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 16), 0x85ebca6b)
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
    return (mixed ^ (mixed >>> 16)) >>> 0
  }
}

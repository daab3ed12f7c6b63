/** Official Java clients in a process of their own; `java/Clients.java` documents the scenarios that they play. */
import { createInterface } from 'node:readline'
import { exitCode } from '../support/exit-code.js'
import { type Release, startJava } from './java-peer.js'

/** What a scenario noted, or `failed` with where and why. */
export interface ClientLine {
  scenario?: string
  failed?: string
  [fact: string]: unknown
}

export interface ClientOptions {
  /** Of the client. */
  release: Release
  nameServer: string
  /** Of all topics and groups: what no other process at this broker uses. */
  prefix: string
  /** System properties of the client. */
  properties?: Record<string, string | number>
  /** Sees each line as it is printed; true kills the process. */
  killAt?: (line: ClientLine) => boolean
}

/** No process outlives its test for longer. */
const LONGEST_MS = 200_000

/** Plays the scenarios at the same time in one process. The first line is about the client; a scenario without a line of its own has failed. */
export async function playClients(scenarios: readonly string[], options: ClientOptions): Promise<[ClientLine, ...ClientLine[]]> {
  const { release, nameServer, prefix, properties = {}, killAt = () => false } = options
  const child = await startJava('Clients', [nameServer, prefix, ...scenarios], {
    release,
    jvm: Object.entries(properties).map((pair) => `-D${pair.join('=')}`),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LONGEST_MS,
    killSignal: 'SIGKILL',
  })
  let complained = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    complained = (complained + text).slice(-4000)
  })
  const lines: ClientLine[] = []
  for await (const text of createInterface({ input: child.stdout! })) {
    if (!text.startsWith('{')) continue
    const line: ClientLine = JSON.parse(text)
    lines.push(line)
    if (killAt(line)) child.kill('SIGKILL')
  }
  const code = await exitCode(child)
  const [client, ...played] = lines
  if (!client || played.length === 0) throw new Error(`The Java clients ended with ${code}:\n${complained}`)
  const missing = scenarios.filter((scenario) => !played.some((line) => line.scenario === scenario))
  return [client, ...played, ...missing.map((scenario) => ({ scenario, failed: `the process ended with ${code}:\n${complained}` }))]
}

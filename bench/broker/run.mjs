// Programs that load a broker.
import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** A program's standard output. */
export async function run([command, ...args]) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const [printed, complained] = await Promise.all([textOf(child.stdout), textOf(child.stderr), once(child, 'close')])
  if (child.exitCode !== 0) throw new Error(`${command} ended with ${child.signalCode ?? child.exitCode}: ${complained.slice(-2000)}`)
  return printed
}

async function textOf(stream) {
  let text = ''
  for await (const chunk of stream.setEncoding('utf8')) text += chunk
  return text
}

/** `millrace bench append|pull|sync`: what this machine and this disk do with a store. */
import type { Command } from 'commander'
import { type BenchKind, type BenchOptions, TOPIC, withBenchOptions } from './bench-plan.js'

const NOTE = `
Only the topic ${TOPIC} is written to, also in a store that --dir names; nothing is deleted there. The temporary store lies in the system's folder
for such, which may be memory: name a --dir on the disk that matters. Bytes are those of bodies; of pulled messages those of records.`

interface Bench {
  kind: BenchKind
  description: string
  defaults: { inFlight: number; batch: number }
}

const benches: readonly Bench[] = [
  {
    kind: 'append',
    description: 'append messages: each call settles when its messages survive the death of the process',
    defaults: { inFlight: 32, batch: 1 },
  },
  {
    kind: 'pull',
    description: 'pull messages that are in memory, from the beginning of queues to their end and again',
    defaults: { inFlight: 1, batch: 32 },
  },
  {
    kind: 'sync',
    description: 'append under synchronous flush: each call settles when its messages are on disk',
    defaults: { inFlight: 32, batch: 1 },
  },
]

export function benchCommands(bench: Command): Command[] {
  return benches.map(({ kind, description, defaults }) =>
    withBenchOptions(bench.command(kind).description(description), defaults)
      .addHelpText('after', NOTE)
      .action(async (options: BenchOptions) => {
        const { runBench } = await import('./bench-run.js')
        await runBench(kind, options)
      }),
  )
}

/** What a benchmark does, as the command line says it. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { positiveNumber, wholeNumber, withSettings } from './store-options.js'

/** The one topic that benchmarks write to. */
export const TOPIC = 'millrace-bench'

export type BenchKind = 'append' | 'pull' | 'sync'

export interface BenchPlan {
  kind: BenchKind
  /** Bytes of a body. */
  size: number
  /** Messages in all; without it, `seconds` end the work. */
  count?: number
  seconds?: number
  /** Calls at the same time, of each thread. */
  inFlight: number
  /** Messages of a call. */
  batch: number
  threads: number
  queues: number
  /** Keys of a message. */
  keys: number
  /** Messages a second that all threads together begin, whether the store keeps up or not. */
  rate?: number
}

export interface BenchOptions extends Omit<BenchPlan, 'kind'> {
  dir?: string
  json?: true
  settings?: string
}

const MAX_THREADS = 64
const DEFAULT_SECONDS = 10

export function withBenchOptions(command: Command, defaults: { inFlight: number; batch: number }): Command {
  command
    .option('--dir <dir>', 'the store, made where there is none, and kept; default: a temporary one that is removed')
    .option('--size <bytes>', "length of a message's body", wholeNumber, 1024)
    .addOption(new Option('--count <count>', 'so many messages').argParser(positiveNumber).conflicts('seconds'))
    .option('--seconds <seconds>', `for so long (default: ${DEFAULT_SECONDS})`, positiveNumber)
    .option('--in-flight <count>', 'calls at the same time, of each thread', positiveNumber, defaults.inFlight)
    .option('--batch <count>', 'messages of a call', positiveNumber, defaults.batch)
    .option('--threads <count>', 'threads that share the store', threads, 1)
    .option('--queues <count>', 'queues of the topic', positiveNumber, 4)
    .option('--keys <count>', 'keys of a message', wholeNumber, 0)
    .option('--rate <rate>', 'messages a second that are begun; latency then counts from the moment a call was due', positiveNumber)
    .option('--json', 'one JSON object instead of a table')
  return withSettings(command)
}

export function planOf(kind: BenchKind, options: BenchOptions): BenchPlan {
  const { size, count, inFlight, batch, queues, keys, rate } = options
  return {
    ...{ kind, size, inFlight, batch, queues, keys, threads: options.threads },
    ...(count === undefined ? { seconds: options.seconds ?? DEFAULT_SECONDS } : { count }),
    ...(rate !== undefined && { rate }),
  }
}

function threads(text: string): number {
  const count = positiveNumber(text)
  if (count > MAX_THREADS) throw new InvalidArgumentError(`It must be at most ${MAX_THREADS}.`)
  return count
}

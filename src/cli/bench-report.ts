/** What a benchmark has measured, for people and for programs. */
import type { Histogram } from 'node:perf_hooks'
import type { BenchPlan } from './bench-plan.js'
import { amount, grouped, megabytes } from './units.js'

const PERCENTILES = { p50: 50, p90: 90, p99: 99, p99_9: 99.9, max: 100 } as const

export interface BenchResult {
  bench: BenchPlan['kind']
  flush: 'async' | 'sync'
  plan: Omit<BenchPlan, 'kind'>
  messages: number
  bytes: number
  calls: number
  seconds: number
  messagesPerSecond: number
  bytesPerSecond: number
  /** Of a call, in milliseconds. */
  latencyMs: Record<'mean' | keyof typeof PERCENTILES, number>
  interrupted: boolean
}

export interface Measured {
  plan: BenchPlan
  messages: number
  bytes: number
  calls: number
  seconds: number
  /** In nanoseconds. */
  latency: Histogram
  interrupted: boolean
}

export function resultOf({ plan: { kind, ...plan }, latency, ...measured }: Measured): BenchResult {
  const seconds = Math.max(1e-6, measured.seconds)
  return {
    bench: kind,
    flush: kind === 'sync' ? 'sync' : 'async',
    plan,
    ...measured,
    messagesPerSecond: measured.messages / seconds,
    bytesPerSecond: measured.bytes / seconds,
    latencyMs: latencies(latency),
  }
}

export function liveLine(messagesPerSecond: number, bytesPerSecond: number, latency: Histogram): string {
  const { p50, p99, p99_9 } = latencies(latency)
  return `${rates(messagesPerSecond, bytesPerSecond)}, p50 ${show(p50)}, p99 ${show(p99)}, p99.9 ${show(p99_9)} ms`
}

export function* resultLines(result: BenchResult): IterableIterator<string> {
  const { bench, flush, plan, messages, calls, seconds, latencyMs, interrupted } = result
  const { size, inFlight, batch, threads, queues, keys, rate } = plan
  const load = [
    `${size} B`,
    `${flush} flush`,
    amount(threads, 'thread'),
    `${amount(inFlight, 'call')} at a time`,
    `${amount(batch, 'message')} a call`,
    amount(queues, 'queue'),
    ...(keys > 0 ? [amount(keys, 'key')] : []),
    ...(rate === undefined ? [] : [`${grouped(rate)} messages/s wanted`]),
  ]
  yield `${bench}: ${load.join(', ')}`
  yield `messages  ${grouped(messages)} in ${seconds.toFixed(2)} s, ${amount(calls, 'call')}${interrupted ? '; interrupted' : ''}`
  yield `rate      ${rates(result.messagesPerSecond, result.bytesPerSecond)}`
  yield ''
  const names = Object.keys(latencyMs) as (keyof typeof latencyMs)[]
  yield `latency  ${names.map((name) => name.replace('_', '.').padStart(10)).join('')}`
  yield `ms       ${names.map((name) => show(latencyMs[name]).padStart(10)).join('')}`
}

function rates(messagesPerSecond: number, bytesPerSecond: number): string {
  return `${grouped(Math.round(messagesPerSecond))} messages/s, ${megabytes(bytesPerSecond)}/s`
}

function latencies(histogram: Histogram): BenchResult['latencyMs'] {
  const milliseconds = (nanoseconds: number) => nanoseconds / 1e6
  const mean = histogram.count === 0 ? 0 : milliseconds(histogram.mean)
  const at = Object.entries(PERCENTILES).map(([name, percent]) => [
    name,
    histogram.count === 0 ? 0 : milliseconds(histogram.percentile(percent)),
  ])
  return { mean, ...Object.fromEntries(at) }
}

function show(milliseconds: number): string {
  return milliseconds.toFixed(milliseconds < 10 ? 3 : 1)
}

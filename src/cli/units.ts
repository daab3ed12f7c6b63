/** Amounts as people read them. */

export function amount(count: number, one: string, many = `${one}s`): string {
  return `${grouped(count)} ${count === 1 ? one : many}`
}

export function grouped(number: number): string {
  return number.toLocaleString('en-US')
}

const STEPS = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

/** Three digits or four, in the unit that gives them. */
export function bytes(count: number): string {
  let step = 0
  let value = count
  while (value >= 1024 && step < STEPS.length - 1) {
    value /= 1024
    step++
  }
  return `${step === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${STEPS[step]}`
}

/** For rates: RocketMQ's and disks' makers' megabyte. */
export function megabytes(count: number): string {
  return `${(count / 1e6).toFixed(1)} MB`
}

export function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(2)} s`
}

const SPANS: readonly (readonly [milliseconds: number, name: string])[] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1000, 's'],
]

/** In its largest unit and the next one: `2 d 3 h`. */
export function span(milliseconds: number): string {
  const from = SPANS.findIndex(([length]) => milliseconds >= length)
  if (from < 0) return `${Math.max(0, Math.round(milliseconds))} ms`
  let left = milliseconds
  const parts: string[] = []
  for (const [length, name] of SPANS.slice(from, from + 2)) {
    const count = Math.floor(left / length)
    left -= count * length
    if (count > 0) parts.push(`${count} ${name}`)
  }
  return parts.join(' ')
}

// A Markdown table of one work's rows, one line for each comparison. Columns that would be empty are left out.
import { bound, factor } from './measure.mjs'

const HEAD = (title) => [title, 'ours', 'CPU a message', 'against', 'its figure', 'ratio (10–90 %)', 'target', 'met']

export function table(title, rows) {
  const head = HEAD(title)
  const lines = rows.flatMap((row) => {
    const first = [
      row.name.slice(title.length + 2),
      figure(row.ours, row.unit),
      row.cpuMicroseconds === null ? '' : `${row.cpuMicroseconds.toFixed(2)} µs`,
    ]
    const comparisons = row.comparisons.length > 0 ? row.comparisons : [{}]
    return comparisons.map((comparison, i) => [...(i === 0 ? first : ['', '', '']), ...cells(comparison, row)])
  })
  const widths = head.map((text, column) => Math.max(text.length, ...lines.map((line) => line[column].length)))
  const filled = head.map((_, column) => lines.some((line) => line[column] !== ''))
  const line = (texts) => {
    const padded = texts.map((text, column) => text.padEnd(widths[column]))
    return `| ${padded.filter((_, column) => filled[column]).join(' | ')} |`
  }
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...lines.map(line)].join('\n')
}

function cells(comparison, row) {
  const target = bound(comparison, comparison.of ? factor : (value) => figure(value, row.unit)) ?? ''
  if (comparison.met === null) {
    const why = comparison.why ? `not run: ${comparison.why.split('\n')[0].slice(0, 80)}` : 'not run'
    return [comparison.of ?? '', why, '', target, target && '?']
  }
  const ratio = comparison.median === undefined ? '' : interval(comparison, row)
  const met = comparison.met === undefined ? '' : comparison.met ? 'yes' : 'NO'
  return [comparison.peer ?? '', comparison.peer ? figure(comparison.figure, row.unit) : '', ratio, target, met]
}

function interval({ of, median, low, high }, { unit }) {
  // JSON has no infinity.
  const show = (value) => (value === null ? '∞' : of ? value.toFixed(2) : figure(value, unit))
  return `${show(median)} (${show(low)}–${show(high)})`
}

export function figure(value, unit) {
  if (value === null || value === undefined) return '—'
  if (unit === 'ns') return `${value.toFixed(0)} ns`
  if (unit === 'µs') return `${value.toFixed(1)} µs`
  if (unit === 'ms') return `${value.toFixed(3)} ms`
  if (unit === 'bytes/s') return `${(value / 1e9).toFixed(2)} GB/s`
  if (unit === 'bytes') return value >= 2 ** 20 ? `${(value / 2 ** 20).toFixed(0)} MiB` : `${value.toFixed(0)} B`
  if (unit === 'share') return value.toFixed(2)
  if (unit === '%') return `${(100 * value).toFixed(2)} %`
  if (unit === 'stalls') return `${value}`
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)} M/s`
  return value >= 1e4 ? `${(value / 1e3).toFixed(0)} k/s` : `${value.toFixed(0)} /s`
}

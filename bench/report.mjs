// The JSON lines of runs (npm run bench -- --json, npm run bench:micro -- --json) as the tables of docs/performance.md, between its two marks.
// A work that the runs have gets new tables, the others keep theirs. A row that several runs have is the last one's; tables stand in the order of
// rows.mjs, each below the line of the machine that it ran on.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './build.mjs'
import { runLine } from './machine.mjs'
import { works } from './rows.mjs'
import { table } from './table.mjs'

const BEGIN = '<!-- figures: begin, by npm run bench -- --report -->'
const END = '<!-- figures: end -->'
const WORK_END = ': '

export function writeReport(files) {
  if (files.length === 0) throw new Error('--report needs the files that the JSON lines are in')
  const path = join(root, 'docs', 'performance.md')
  const text = readFileSync(path, 'utf8')
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)]
  if (begin < 0 || end < begin) throw new Error(`${path} has no place for the tables: ${BEGIN} … ${END}`)
  const made = tablesOf(files.map((file) => readFileSync(file, 'utf8')))
  const kept = tablesIn(text.slice(begin + BEGIN.length, end)).filter(({ work }) => !made.some((other) => other.work === work))
  const order = works().map(({ name }) => name)
  const position = ({ work }) => (order.includes(work) ? order.indexOf(work) : order.length)
  const tables = [...made, ...kept].sort((a, b) => position(a) - position(b)).map(({ text }) => text)
  writeFileSync(path, `${text.slice(0, begin + BEGIN.length)}\n\n${tables.join('\n\n')}\n\n${text.slice(end)}`)
}

/** `runs`: the JSON lines of each. */
function tablesOf(runs) {
  const latest = new Map()
  for (const run of runs) {
    let head
    for (const line of run.split('\n').filter(Boolean)) {
      const object = JSON.parse(line)
      if (object.machine) head = object
      else latest.set(object.name, { row: object, head: runLine({ ...head, ...(object.pairs && { pairs: object.pairs }) }) })
    }
  }
  const tables = new Map()
  for (const { row, head } of latest.values()) {
    const work = row.name.slice(0, row.name.indexOf(WORK_END))
    const place = JSON.stringify([work, head])
    if (!tables.has(place)) tables.set(place, { work, head, rows: [] })
    tables.get(place).rows.push(row)
  }
  const order = works().flatMap((work) => work.rows.map((row) => `${work.name}${WORK_END}${row.name}`))
  for (const { rows } of tables.values()) rows.sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name))
  return [...tables.values()].map(({ work, head, rows }) => ({ work, text: `${head}\n\n${table(work, rows)}` }))
}

/** The tables that stand there: a paragraph that names the machine, and one that begins with the work's name. */
function tablesIn(text) {
  const paragraphs = text.split('\n\n').filter((paragraph) => paragraph.trim() !== '')
  return paragraphs.flatMap((head, i) =>
    head.startsWith('|') ? [] : [{ work: paragraphs[i + 1].split('|')[1].trim(), text: `${head.trim()}\n\n${paragraphs[i + 1].trim()}` }],
  )
}

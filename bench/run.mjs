// npm run bench [-- NAME… --json --quick --pairs N --only FAMILY,… --dir DIR --list]
// Prints the rows whose name contains one of the NAMEs (all without one): a table for each kind of work, or with --json one object a line, as soon as
// they are known. Only what these rows compare runs; --only leaves of that the families it names.
// Interrupted once (SIGINT), it ends after the trial under way with the rows of the whole rounds it has; twice, at once.
// npm run bench -- --report FILE…: the tables of such lines into docs/performance.md.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { isOurs, root } from './build.mjs'
import { machine, runLine } from './machine.mjs'
import { family, judge, runWork } from './measure.mjs'
import { writeReport } from './report.mjs'
import { works } from './rows.mjs'
import { table } from './table.mjs'

const { values, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    report: { type: 'boolean', default: false },
    pairs: { type: 'string' },
    only: { type: 'string' },
    dir: { type: 'string', default: join(root, 'build', 'bench', 'data') },
  },
})

/** Families; ours runs in any case. */
const only = values.only?.split(',')

if (values.report) writeReport(names)
else await main()

async function main() {
  const pairs = Number(values.pairs ?? (values.quick ? 3 : 10))
  if (!Number.isInteger(pairs) || pairs < 1) throw new Error(`--pairs ${values.pairs}: a whole number above 0 is needed`)
  const all = works({ scale: values.quick ? 0.05 : 1 })
  const families = new Set(all.flatMap((work) => Object.keys(work.candidates).map(family)))
  for (const name of only ?? []) {
    if (name !== 'ours' && !families.has(name)) throw new Error(`--only ${name}: the families are ${[...families].join(', ')}`)
  }
  const chosen = all.map(narrowed).filter((work) => work.rows.length > 0)
  if (chosen.length === 0) throw new Error(`no row is called ${names.join(' or ')}; --list prints all`)
  if (values.list) for (const { name, rows } of chosen) for (const row of rows) console.log(`${name}: ${row.name}`)
  else await run(chosen, pairs, resolve(values.dir))
}

/** A work with the wanted rows alone, and with the candidates that these compare or no row names, of the families of --only. */
function narrowed(work) {
  const rows = work.rows.filter((row) => names.length === 0 || names.some((name) => `${work.name}: ${row.name}`.includes(name)))
  const named = (by, name) =>
    by.some((row) => row.ours === name) || by.some((row) => row.targets.some(({ of }) => of === name || of === family(name)))
  const candidates = Object.entries(work.candidates)
    .filter(([name]) => named(rows, name) || !named(work.rows, name))
    .filter(([name, trial]) => !only || isOurs(trial) || rows.some((row) => row.ours === name) || only.includes(family(name)))
  return { ...work, rows, candidates: Object.fromEntries(candidates) }
}

async function run(chosen, pairs, parent) {
  mkdirSync(parent, { recursive: true })
  const dir = mkdtempSync(join(parent, 'run-'))
  const head = { machine: machine(dir), pairs, quick: values.quick, ...(values.only && { only: values.only }) }
  let interrupted = false
  process.once('SIGINT', () => {
    interrupted = true
  })
  console.log(values.json ? JSON.stringify(head) : `${runLine(head)}\n`)
  for (const work of chosen) {
    if (interrupted) break
    const onStep = (name, error) => process.stderr.write(error ? `  ${name}: ${error.message}\n` : progress(`${work.name} · ${name}`))
    const outcome = await runWork(work, { pairs, dir, onStep, stopped: () => interrupted })
    process.stderr.write(progress(''))
    const rows = work.rows.map((row) => judge(work, row, outcome)).filter((row) => !interrupted || row.pairs > 0)
    if (rows.length === 0) break
    if (interrupted && !values.json) console.log(`${rows[0].pairs} of ${pairs} rounds\n`)
    if (values.json) for (const row of rows) console.log(JSON.stringify(row))
    else console.log(`${table(work.name, rows)}\n`)
  }
  rmSync(dir, { recursive: true, force: true })
}

function progress(text) {
  return process.stderr.isTTY ? `\r\x1b[K${text}` : ''
}

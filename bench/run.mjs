// npm run bench [-- NAME… --json --quick --pairs N --dir DIR --list]
// Prints the rows whose name contains one of the NAMEs (all without one): a table for each kind of work, or with --json one object a line, as soon as
// they are known.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { root } from './build.mjs'
import { machine, machineLine } from './machine.mjs'
import { judge, runWork } from './measure.mjs'
import { works } from './rows.mjs'
import { table } from './table.mjs'

const { values, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    pairs: { type: 'string' },
    dir: { type: 'string', default: join(root, 'build', 'bench', 'data') },
  },
})

const pairs = Number(values.pairs ?? (values.quick ? 3 : 10))
if (!Number.isInteger(pairs) || pairs < 1) throw new Error(`--pairs ${values.pairs}: a whole number above 0 is needed`)
const wanted = (work, row) => names.length === 0 || names.some((name) => `${work.name}: ${row.name}`.includes(name))
const chosen = works({ scale: values.quick ? 0.05 : 1 }).filter((work) => work.rows.some((row) => wanted(work, row)))
if (chosen.length === 0) throw new Error(`no row is called ${names.join(' or ')}; --list prints all`)

if (values.list) {
  for (const work of chosen) for (const row of work.rows) if (wanted(work, row)) console.log(`${work.name}: ${row.name}`)
} else {
  await run(resolve(values.dir))
}

async function run(parent) {
  mkdirSync(parent, { recursive: true })
  const dir = mkdtempSync(join(parent, 'run-'))
  if (values.json) console.log(JSON.stringify({ machine: machine(dir), pairs, quick: values.quick }))
  else console.log(`${machineLine(dir)} · ${pairs} pairs${values.quick ? ' · quick: for a look, not for a claim' : ''}\n`)
  for (const work of chosen) {
    const onStep = (name, error) => process.stderr.write(error ? `  ${name}: ${error.message}\n` : progress(`${work.name} · ${name}`))
    const outcome = await runWork(work, { pairs, dir, onStep })
    const rows = work.rows.filter((row) => wanted(work, row)).map((row) => judge(work, row, outcome))
    process.stderr.write(progress(''))
    if (values.json) for (const row of rows) console.log(JSON.stringify(row))
    else console.log(`${table(work.name, rows)}\n`)
  }
  rmSync(dir, { recursive: true, force: true })
}

function progress(text) {
  return process.stderr.isTTY ? `\r\x1b[K${text}` : ''
}

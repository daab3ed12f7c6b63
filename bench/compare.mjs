// npm run bench:compare [-- --base REF --pairs N --quick NAME…]: the base (default main) and this branch, alternately, with this branch's trials.
// The base is checked out and built in build/bench/base. Prints branch over base: more than 1 is faster.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { isOurs, need, root } from './build.mjs'
import { machineLine } from './machine.mjs'
import { median, quantile, runTrial, runTurns, settingsOf } from './measure.mjs'
import { works } from './rows.mjs'
import { figure } from './table.mjs'

const { values, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    base: { type: 'string', default: 'main' },
    pairs: { type: 'string', default: '10' },
    quick: { type: 'boolean', default: false },
  },
})

const base = join(root, 'build', 'bench', 'base')
const dir = join(root, 'build', 'bench', 'compare')
const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim()

const commit = git('rev-parse', '--verify', `${values.base}^{commit}`)
if (existsSync(base)) git('worktree', 'remove', '--force', base)
git('worktree', 'add', '--detach', base, commit)
try {
  process.stderr.write(`building ${values.base} (${commit.slice(0, 10)}) …\n`)
  execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: base, stdio: ['ignore', 'ignore', 'inherit'] })
  need('ours')
  need('limit')
  mkdirSync(dir, { recursive: true })
  await compare()
} finally {
  git('worktree', 'remove', '--force', base)
  rmSync(dir, { recursive: true, force: true })
}

async function compare() {
  const sides = { base: join(base, 'dist', 'index.js'), branch: join(root, 'dist', 'index.js') }
  console.log(`${machineLine(dir)} · base ${values.base} (${commit.slice(0, 10)}) · ${values.pairs} pairs\n`)
  for (const work of works({ scale: values.quick ? 0.05 : 1 })) {
    const rows = work.rows.filter(
      (row) =>
        (names.length === 0 || names.some((name) => `${work.name}: ${row.name}`.includes(name))) && isOurs(work.candidates[row.ours]),
    )
    for (const candidate of new Set(rows.map((row) => row.ours))) {
      need(work.candidates[candidate].needs)
      const pairs = []
      for (let i = 0; i < Number(values.pairs); i++) {
        pairs.push(await runPair(work.candidates[candidate], settingsOf(work, dir), sides))
      }
      for (const row of rows.filter((row) => row.ours === candidate)) print(work, row, pairs)
    }
  }
}

async function runPair(trial, settings, sides) {
  const pair = {}
  const envs = Object.entries(sides).map(([side, library]) => [side, { MILLRACE_LIBRARY: library }])
  if (trial.turns) {
    const trials = Object.fromEntries(envs.map(([side, env]) => [side, { ...trial, env }]))
    for (const [side, answer] of await runTurns(trials, settings)) {
      if (answer instanceof Error) throw answer
      pair[side] = answer
    }
  } else {
    for (const [side, env] of envs) pair[side] = await runTrial(trial, { ...settings, env })
  }
  return pair
}

function print(work, { name, metric, unit }, pairs) {
  const of = (side) => figure(median(pairs.map((pair) => pair[side][metric])), unit)
  const ratios = pairs.map(({ base, branch }) => (branch[metric] === base[metric] ? 1 : branch[metric] / base[metric]))
  const [low, middle, high] = [0.1, 0.5, 0.9].map((share) => quantile(ratios, share).toFixed(3))
  console.log(`${middle} (${low}–${high})  ${work.name}: ${name}  base ${of('base')}, branch ${of('branch')}`)
}

// Runs a work's candidates in pairs and compares them. Every trial is a process of its own, in a folder of its own that is gone before the next starts;
// those that take turns live at once, each in its folder.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { need, programs, root } from './build.mjs'
import { takeTurns } from './turns.mjs'

const TRIAL_LIMIT_MS = 20 * 60_000
const LOWER_IS_BETTER = ['ms', 'µs', 'stalls', 'bytes']

export const runTrial = (trial, { dir, bytes, restMs, env }) =>
  inWarmFolder({ dir, bytes: trial.bytes ?? bytes, restMs }, async (folder) => JSON.parse(await tool(trial.command(folder), env)))

/** Where a work's trials run, and what comes before each. */
export const settingsOf = ({ bytes, restMs }, dir) => ({ dir, bytes, restMs })

/** `trials`: name → trial, with an `env` of its own if need be. Gives name → answer or Error. */
export const runTurns = (trials, { dir, bytes }) =>
  inWarmFolder({ dir, bytes }, (folder) => {
    const players = Object.entries(trials).map(([name, trial], i) => {
      const own = join(folder, `${i}`)
      mkdirSync(own)
      return [name, { command: trial.command(own), env: trial.env }]
    })
    return takeTurns(Object.fromEntries(players))
  })

/**
 * Before: the page cache is made of pages that were used before, and none has been given back to a host. With `restMs` it is the other way round: all that is free
 * has been given back by then, and what asks for memory during the trial pays for each page, but is not stopped by the giving back, which would go on for minutes.
 * After: the files are gone, and nothing waits to be written.
 *
 * ext4 gives nobody an inode that was freed in the last minutes: making files where the trial before has just removed tens of thousands took a millisecond each,
 * twenty times as long as elsewhere. So each trial's folder has a name that no other had, and `T` has the file system put folders of other names into other places.
 */
async function inWarmFolder({ dir: parent, bytes, restMs }, run) {
  await tool(['chattr', '+T', parent]).catch(() => {}) // another file system, or no such program
  const dir = mkdtempSync(join(parent, 'trial-'))
  if (restMs !== undefined) await setTimeout(restMs)
  else await tool([programs.limit, 'warm', `dir=${dir}`, `bytes=${Math.round(bytes)}`])
  try {
    return await run(dir)
  } finally {
    rmSync(dir, { recursive: true, force: true })
    await tool(['sync'])
  }
}

/**
 * First each candidate once: of those that share a beginning ("Java, …") the best goes on, and whatever comes within a fifth of it. Then `pairs` rounds.
 * Gives name → list of answers, one a round (undefined where it failed, and it is not tried again); a candidate that was tried once has that one.
 * Once `stopped()` is true the round under way is dropped, and the whole rounds are the answer.
 */
export async function runWork(work, { pairs, dir, onStep = () => {}, stopped = () => false }) {
  need('limit')
  for (const name of work.needs ?? []) need(name)
  const answers = new Map()
  const failures = new Map()
  const settings = settingsOf(work, dir)

  const failed = (name, error) => {
    if (stopped()) return // by what stops us
    failures.set(name, error.message)
    onStep(name, error)
  }

  /** Each of them once; those that take turns first, together. Gives name → answer, without those that failed. */
  const round = async (names) => {
    const made = names.filter((name) => {
      try {
        need(work.candidates[name].needs)
        return true
      } catch (error) {
        failed(name, error)
        return false
      }
    })
    const found = new Map()
    const turns = made.filter((name) => work.candidates[name].turns)
    if (turns.length > 0) {
      onStep(`${turns.length} in turns`)
      const trials = Object.fromEntries(turns.map((name) => [name, work.candidates[name]]))
      for (const [name, answer] of await runTurns(trials, settings)) {
        if (answer instanceof Error) failed(name, answer)
        else found.set(name, answer)
      }
    }
    for (const name of made.filter((name) => !turns.includes(name))) {
      if (stopped()) break
      onStep(name)
      try {
        found.set(name, await runTrial(work.candidates[name], settings))
      } catch (error) {
        failed(name, error)
      }
    }
    return found
  }

  for (const [name, answer] of await round(Object.keys(work.candidates))) answers.set(name, [answer])
  const racing = [...answers.keys()].filter((name) => qualifies(name, work, answers))
  for (const name of racing) answers.set(name, [])
  for (let pair = 0; pair < pairs && !stopped(); pair++) {
    const found = await round(
      inOrderOf(
        pair,
        racing.filter((name) => !failures.has(name)),
      ),
    )
    if (stopped()) break
    for (const name of racing) answers.get(name).push(found.get(name))
  }
  return { answers, failures, racing: new Set(racing) }
}

/** Another order in each round, the same in every run: what memory a trial finds is the doing of the one before it. */
function inOrderOf(round, names) {
  const place = (name) => createHash('sha256').update(`${round} ${name}`).digest('hex')
  return names.toSorted((a, b) => (place(a) < place(b) ? -1 : 1))
}

/** What a name begins with: "Java, default" is one of Java's settings. */
export const family = (name) => name.split(/[,:]/)[0]

function qualifies(name, work, answers) {
  if (work.rows.some((row) => row.ours === name || row.targets.some((target) => target.of === name))) return true
  const rate = (other) => answers.get(other)[0].rate ?? 0
  const best = Math.max(...[...answers.keys()].filter((other) => family(other) === family(name)).map(rate))
  return !(rate(name) < best * 0.8)
}

/** One row's outcome from its work's answers. A target is met when the worse end of the 10–90 % interval meets it. */
export function judge(work, row, { answers, failures, racing }) {
  const values = (name, metric = row.metric) => (answers.get(name) ?? []).map((answer) => answer?.[metric])
  const mine = values(row.ours)
  const lower = LOWER_IS_BETTER.includes(row.unit)
  const bestOf = (wanted) => {
    if (answers.has(wanted) && !failures.has(wanted)) return wanted
    const names = [...answers.keys()].filter(
      (name) => racing.has(name) && !failures.has(name) && name !== row.ours && family(name) === wanted,
    )
    return names.sort((a, b) => (median(values(b)) - median(values(a))) * (lower ? -1 : 1))[0]
  }
  const comparisons = row.targets.map((target) => {
    if (failures.has(row.ours)) return { ...target, met: null, why: failures.get(row.ours) }
    if (!target.of) return { ...target, ...verdict(mine, target) }
    const peer = bestOf(target.of)
    if (!peer) return { ...target, met: null, why: [...failures].find(([name]) => name.startsWith(target.of))?.[1] }
    const theirs = values(peer, target.metric)
    const ratios = mine.map((value, i) => (value === theirs[i] ? 1 : value / theirs[i]))
    return { ...target, peer, figure: median(theirs), ...verdict(ratios, target) }
  })
  const wanted = row.limit ?? work.limit
  const limit = wanted && bestOf(wanted)
  const judged = comparisons.filter((comparison) => bound(comparison))
  return {
    name: `${work.name}: ${row.name}`,
    unit: row.unit,
    ours: median(mine) ?? null,
    cpuMicroseconds: median(values(row.ours, 'cpuMicroseconds').filter(Number.isFinite)) ?? null,
    counters: countersOf(answers.get(row.ours) ?? []),
    peers: Object.fromEntries(
      [...answers.keys()]
        .filter((name) => !work.rows.some((other) => other.ours === name))
        .map((name) => [name, median(values(name)) ?? null]),
    ),
    limit: limit ? median(values(limit)) : null,
    target: row.targets
      .filter((target) => bound(target))
      .map((target) => `${bound(target)}${target.of ? ` × ${target.of}` : ''}`)
      .join(', '),
    met:
      judged.length === 0 ? null : judged.every(({ met }) => met === true) ? true : judged.some(({ met }) => met === false) ? false : null,
    pairs: mine.length,
    comparisons,
  }
}

/** The median of each of our own counters, where the trial prints them. */
function countersOf(answers) {
  const counters = answers.map((answer) => answer?.counters).filter(Boolean)
  return Object.fromEntries(Object.keys(counters[0] ?? {}).map((name) => [name, median(counters.map((each) => each[name]))]))
}

/** A factor, as short as it can be. */
export const factor = (value) => `${Math.round(1000 * value) / 1000}`

/** A target in words; `show` writes its value. */
export function bound({ atLeast, atMost, below }, show = factor) {
  if (atLeast !== undefined) return `≥ ${show(atLeast)}`
  if (atMost !== undefined) return `≤ ${show(atMost)}`
  return below === undefined ? undefined : `< ${show(below)}`
}

function verdict(values, { atLeast, atMost, below }) {
  const [low, high] = [quantile(values, 0.1), quantile(values, 0.9)]
  const met =
    atLeast !== undefined ? low >= atLeast : atMost !== undefined ? high <= atMost : below !== undefined ? high < below : undefined
  return { median: median(values), low, high, met }
}

export const median = (values) => quantile(values, 0.5)

/** Between the two nearest values, as a line. */
export function quantile(values, share) {
  const sorted = values.filter((value) => value !== undefined).sort((a, b) => a - b)
  if (sorted.length === 0) return undefined
  const at = share * (sorted.length - 1)
  const below = sorted[Math.floor(at)]
  const above = sorted[Math.ceil(at)]
  return below === above ? below : below + (above - below) * (at % 1)
}

/** A program's standard output; its end of standard error is the error. */
function tool([command, ...args], env = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: TRIAL_LIMIT_MS,
      killSignal: 'SIGKILL',
    })
    let printed = ''
    let complained = ''
    child.stdout.setEncoding('utf8').on('data', (text) => {
      printed += text
    })
    child.stderr.setEncoding('utf8').on('data', (text) => {
      complained = (complained + text).slice(-2000)
    })
    child.once('error', reject)
    child.once('close', (code, signal) =>
      code === 0 ? resolve(printed) : reject(new Error(`${command} ${args[0] ?? ''} ended with ${signal ?? code}: ${complained.trim()}`)),
    )
  })
}

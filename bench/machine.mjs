// The line above every table.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'

/** Processor, memory, kernel, the file system of `dir`, Node. */
export function machine(dir) {
  const [cpu] = cpus()
  const gib = (totalmem() / 2 ** 30).toFixed(0)
  return {
    cpu: `${cpus().length} × ${cpu.model.trim()}`,
    memoryGib: Number(gib),
    kernel: `${process.platform} ${release()}`,
    fileSystem: fileSystem(dir),
    dirtyRatio: dirtyRatio(),
    node: process.version,
  }
}

export const machineLine = (dir) => describe(machine(dir))

export const describe = ({ cpu, memoryGib, kernel, fileSystem, dirtyRatio, node }) =>
  `${cpu}, ${memoryGib} GiB · ${kernel} · ${fileSystem} · dirty ratio ${dirtyRatio} · Node ${node}`

/** The line above a run's tables. */
export const runLine = ({ machine, pairs, quick }) =>
  [describe(machine), pairs && (pairs === 1 ? '1 pair' : `${pairs} pairs`), quick && 'quick: for a look, not for a claim']
    .filter(Boolean)
    .join(' · ')

function fileSystem(dir) {
  try {
    return execFileSync('df', ['--output=fstype', dir], { encoding: 'utf8' }).trim().split('\n').at(-1)
  } catch {
    return 'unknown file system'
  }
}

function dirtyRatio() {
  try {
    return `${readFileSync('/proc/sys/vm/dirty_background_ratio', 'utf8').trim()}/${readFileSync('/proc/sys/vm/dirty_ratio', 'utf8').trim()} %`
  } catch {
    return 'unknown'
  }
}

// What the kernel says of memory, in bytes: of a process, and of its own.
import { readFileSync } from 'node:fs'

const fieldsOf = (path) =>
  Object.fromEntries(
    [...readFileSync(path, 'utf8').matchAll(/^(\w+):\s+(\d+) kB$/gm)].map(([, name, kilobytes]) => [name, 1024 * kilobytes]),
  )

/** Of this process or another: what is its own and lies in no file, and the tables of its pages. */
export function ownMemory(process = 'self') {
  const { RssAnon, RssShmem, VmPTE } = fieldsOf(`/proc/${process}/status`)
  return { anonymous: RssAnon + RssShmem, pageTables: VmPTE }
}

/**
 * The kernel's own objects: inodes, names, and what else files leave behind in memory. Those that are in use, where that can be read (by root): what was freed
 * before stays in the slab, and whoever comes next takes it first. Else the whole slab.
 */
export function slabBytes() {
  try {
    const caches = readFileSync('/proc/slabinfo', 'utf8').trim().split('\n').slice(2)
    return caches.map((line) => line.split(/\s+/)).reduce((sum, [, active, , bytes]) => sum + active * bytes, 0)
  } catch {
    return fieldsOf('/proc/meminfo').Slab
  }
}

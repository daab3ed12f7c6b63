// What the kernel says of memory, in bytes: of a process, and of its own.
import { readFileSync } from 'node:fs'

const fieldsOf = (path) =>
  Object.fromEntries(
    [...readFileSync(path, 'utf8').matchAll(/^(\w+):\s+(\d+) kB$/gm)].map(([, name, kilobytes]) => [name, 1024 * kilobytes]),
  )

/** Of this process: what is its own and lies in no file, and the tables of its pages. */
export function ownMemory() {
  const { RssAnon, RssShmem, VmPTE } = fieldsOf('/proc/self/status')
  return { anonymous: RssAnon + RssShmem, pageTables: VmPTE }
}

/** The kernel's own objects: inodes, names, and what else files leave behind in memory. */
export const slabBytes = () => fieldsOf('/proc/meminfo').Slab

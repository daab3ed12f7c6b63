// How the table of works names its trials: by the program that runs, and its arguments. `needs` is what build.mjs has to make first.
import { join } from 'node:path'
import { javaCommand, programs, root } from '../build.mjs'
import { TURNS } from '../turns.mjs'

const script = (folder, name) => join(root, 'bench', folder, `${name}.mjs`)
const list = (args) => Object.entries(args).map(([name, value]) => `${name}=${value}`)

export const ours = (name, args) => ({
  needs: 'ours',
  command: (dir) => [process.execPath, script('ours', name), `dir=${dir}`, ...list(args)],
})
export const node = (name, args) => ({
  needs: 'node',
  command: (dir) => [process.execPath, script('peers', name), `dir=${dir}`, ...list(args)],
})
/** A script that needs nothing but Node. */
export const plain = (name, args) => ({ ...node(name, args), needs: undefined })
export const core = (name, args) => ({ needs: 'core', command: (dir) => [programs.core, name, `dir=${dir}`, ...list(args)] })
export const limit = (name, args) => ({ needs: 'limit', command: (dir) => [programs.limit, name, `dir=${dir}`, ...list(args)] })
export const java = (args, more = {}) => ({ needs: 'java', command: (dir) => javaCommand([`dir=${dir}`, ...list(args)]), ...more })
export const inTurns = (make, name, args) => ({ ...make(name, { ...args, turns: TURNS }), turns: true })

export const GIB = 2 ** 30
/** Bytes of a record of the trials, about. */
export const recordBytes = (body) => body + 105
export const kib = (body) => (body === 1024 ? '1 KiB' : `${body} B`)

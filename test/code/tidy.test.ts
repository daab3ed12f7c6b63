/** Rules for every file of the project. */
import t from 'tap'
import { linesMatching, sourceFiles } from './tree.js'

const files = sourceFiles()
const code = files.filter(({ path }) => /\.(ts|mjs|cc|h|java)$|^\.ci\/run$/.test(path))

/** A word that this file may not hold itself. */
const word = (...parts: string[]) => parts.join('')

t.test('the project stands alone: nothing refers to a place outside of it', async (t) => {
  t.same(linesMatching(files, new RegExp([word('/wo', 'rk/'), word('\\.\\./sha', 'red\\b'), '/home/\\w+/', '/Users/\\w+/'].join('|'))), [])
})

t.test('nothing is left to be done later', async (t) => {
  t.same(linesMatching(code, new RegExp(`\\b(${word('TO', 'DO')}|${word('FIX', 'ME')}|${word('XX', 'X')})\\b`)), [])
})

t.test('coverage and checks are not reached by comments that switch them off', async (t) => {
  const comments = [
    word('c8 ig', 'nore'),
    word('istanbul ig', 'nore'),
    word('v8 ig', 'nore'),
    word('@ts-ig', 'nore'),
    word('@ts-no', 'check'),
  ]
  t.same(linesMatching(code, new RegExp(comments.join('|'))), [])
})

t.test('package.json and its lock pin every dependency to one version', async (t) => {
  const manifest = JSON.parse(files.find(({ path }) => path === 'package.json')?.text ?? '')
  const loose = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies }).filter(
    ([, version]) => !/^\d+\.\d+\.\d+$/.test(String(version)),
  )
  t.same(loose, [])
})

t.test('no test is switched off or run alone', async (t) => {
  const tests = code.filter(({ path }) => path.endsWith('.test.ts'))
  t.same(linesMatching(tests, /\b(?:skip|todo|only): ?true|\bt\.(?:skip|todo|only)\(/), [])
})

import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { newDirectory, numbered, openAt } from '../store/stores.js'
import { fixture } from '../support/fixtures.js'
import { corruptStore } from './corrupt-store.js'
import { run } from './run.js'

function snapshot(directory: string): Record<string, string> {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).sort()
  return Object.fromEntries(paths.map((path) => [path, createHash('sha1').update(readFileSync(path)).digest('hex')]))
}

for (const name of ['torn-body-4.9', 'torn-crc-4.9', 'torn-garbage-4.9', 'torn-header-4.9', 'clean-4.9', 'crashed-4.9'] as const) {
  t.test(`recover --dry-run of ${name} says what opening does, and changes no byte; --cut does it`, async (t) => {
    const { dir, settingsFile, manifest } = fixture(name)
    const before = snapshot(dir)
    const dry = await run(['store', 'recover', dir, '--dry-run', '--json', '--settings', settingsFile])
    t.match({ code: dry.code, stderr: dry.stderr }, { code: 0, stderr: '' })
    t.same(snapshot(dir), before)
    const found = JSON.parse(dry.stdout)
    const torn = name.startsWith('torn')
    t.match(found, { done: false, closedProperly: manifest.recovered.lastExitOk, maxLogOffset: manifest.log.maxOffset })
    t.equal(found.scannedTo, manifest.log.maxOffset)
    if (torn) t.match(found.torn, { logOffset: manifest.log.maxOffset, corrupt: false, reason: String })
    else t.equal(found.torn, null)
    const text = (await run(['store', 'recover', dir, '--dry-run', '--settings', settingsFile])).stdout
    t.match(text, torn ? /\ndamage {5}a torn tail at log offset \d+ .+\nopening {4}would cut off [\d,]+ bytes? / : /\ndamage {5}none\n/)
    const cut = await run(['store', 'recover', dir, '--cut', '--json', '--settings', settingsFile])
    t.match({ code: cut.code, stderr: cut.stderr }, { code: 0, stderr: '' })
    const done = JSON.parse(cut.stdout)
    t.equal(done.done, true)
    for (const field of ['closedProperly', 'scannedFrom', 'scannedTo', 'records', 'torn', 'lostMessages', 'rebuiltQueues', 'rebuiltIndex'])
      t.same(done[field], found[field], field)
    t.match(await run(['store', 'recover', dir, '--dry-run', '--settings', settingsFile]), { stdout: /\nstate {6}closed properly\n/ })
  })
}

t.test('recover says what --cut gives up of a corrupt log, and --cut gives it up', async (t) => {
  const directory = await corruptStore(t)
  const before = snapshot(directory)
  const dry = await run(['store', 'recover', directory, '--dry-run'])
  t.match(dry, { code: 0, stderr: '' })
  t.match(dry.stdout, /\ndamage {5}corruption at log offset 0 .+\n--cut {6}would give up [\d,]+ bytes from there/)
  t.match(dry.stdout, /\n {11}queue 0 of orders would lose 20 messages\n/)
  t.same(snapshot(directory), before)
  const cut = await run(['store', 'recover', directory, '--cut'])
  t.match(cut, { code: 0, stderr: '' })
  t.match(cut.stdout, /\ncut off {4}[\d,]+ bytes .+\n {11}queue 0 of orders has lost 20 messages\n/)
  const store = await openAt(t, directory)
  t.equal(store.recovery.cleanBefore, true)
  t.match(await store.append({ topic: 'orders' }), { queueOffset: 0, logOffset: 0 })
})

t.test('recover tells queues and an index that are made again', async (t) => {
  const directory = newDirectory(t)
  const store = await openAt(t, directory)
  await store.appendBatch([...numbered(30), ...numbered(30, { queueId: 1 })])
  await store.close()
  rmSync(join(directory, 'consumequeue/orders/1'), { recursive: true })
  rmSync(join(directory, 'index'), { recursive: true })
  const dry = await run(['store', 'recover', directory, '--dry-run'])
  t.match(
    dry.stdout,
    /\nqueue {6}1 of orders would be made again from the log: its files are missing\nindex {6}would be made again from the log\n$/,
  )
  const cut = await run(['store', 'recover', directory, '--cut'])
  t.match(cut.stdout, /\nqueue {6}1 of orders was made again .+\nindex {6}was made again from the log\n$/)
  t.match((await run(['store', 'recover', directory, '--cut'])).stdout, /\nnothing had to be made good\n$/)
  t.match((await run(['store', 'recover', directory, '--dry-run'])).stdout, /\nopening has nothing to make good\n$/)
})

t.test('damage behind which no queue has anything, a queue that can’t be read, and what a process left half made', async (t) => {
  const directory = await corruptStore(t)
  writeFileSync(join(directory, 'consumequeue/orders/0', '0'.repeat(20)), 'short')
  t.match(await run(['store', 'recover', directory, '--dry-run']), {
    code: 0,
    stdout: /\n {11}no queue is known to have a message there\n/,
  })
  writeFileSync(join(directory, 'millrace/queue-half'), '')
  t.match(await run(['store', 'recover', directory, '--cut']), { code: 0, stdout: /\nremoved {4}.+queue-half, half made\n/ })
})

t.test('recover needs one of --dry-run and --cut, and a store that nobody has open', async (t) => {
  const store = await openAt(t, newDirectory(t))
  for (const args of [[], ['--dry-run', '--cut']])
    t.match(await run(['store', 'recover', store.directory, ...args]), { code: 2, stdout: '', stderr: /^millrace: one of .+\n$/ })
  t.match(await run(['store', 'recover', store.directory, '--cut']), { code: 1, stdout: '', stderr: /^millrace: STORE_LOCKED: .+\n$/ })
  t.match(await run(['store', 'recover', store.directory, '--dry-run']), { code: 0, stdout: /open in a program, or left by a crash/ })
  t.match(await run(['store', 'recover', newDirectory(t), '--dry-run']), { code: 1, stdout: '', stderr: /^millrace: NO_STORE: .+\n$/ })
})

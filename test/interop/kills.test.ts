import { cp, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { MessageStore } from '#src/index.js'
import { lost, readNotes, summary } from '../support/acknowledged.js'
import { foundOf, queuesOf } from '../support/contents.js'
import { runWriter } from '../support/crash-peer.js'
import { Random, rounds, seed } from '../support/random.js'
import { queryOf } from './rows.js'
import { type QueryRequest, StorePeer } from './store-peer.js'

/** So small that nearly every moment lies in the making of some file: a segment holds about 60 messages, a queue file 5, an index file 19 keys. */
const settings = {
  mappedFileSizeCommitLog: 16384,
  mappedFileSizeConsumeQueue: 100,
  maxHashSlotNum: 5,
  maxIndexNum: 20,
  maxMessageSize: 4096,
}

/** Every call that makes, fills, syncs or renames a file, or makes room for one. */
const calls = [
  'open',
  'set_length',
  'reserve',
  'map',
  'populate',
  'write',
  'sync_data',
  'sync_file',
  'sync_dir',
  'rename',
  'unlink',
  'mkdir',
] as const

/** One of the first such calls lasts for ever; other threads go on. */
function randomStall(random: Random): string {
  return `${random.pick(calls)}:after=${random.int(40)}:times=1:delay=60000`
}

t.test('after a SIGKILL at any moment Java loads the directory and finds every acknowledged message', async (t) => {
  t.comment(`MILLRACE_SEED=${seed}`)
  const random = new Random(seed)
  const peers = [await StorePeer.start('4.9.7'), await StorePeer.start('5.3.3')] as const
  t.teardown(() => Promise.all(peers.map((peer) => peer.end())))
  const root = t.testdir({})
  let kills = 0
  for (let store = 0; store < 12 * rounds; store++) {
    const dir = join(root, `store-${store}`)
    const notes = join(root, `notes-${store}`)
    await mkdir(dir)
    const java = peers[store % 4 === 3 ? 1 : 0]
    const flush = random.pick(['async', 'sync'] as const)
    for (let kill = 0; kill < 5; kill++) {
      const from = (await readNotes(notes)).length
      await runWriter({
        dir,
        settings,
        notes,
        random,
        flush,
        from,
        count: random.between(1, 800),
        topics: random.between(1, 30),
        killWithinMs: 60,
        early: 0.2,
        ...(random.chance(0.5) ? { faults: randomStall(random) } : {}),
        close: random.chance(0.15),
      })
      kills++
      const acknowledged = await readNotes(notes)
      const copy = join(root, 'copy')
      await cp(dir, copy, { recursive: true })
      const found = await java.check(copy, settings)
      if (!found.loaded) t.fail(`Java does not load store ${store} after kill ${kill}`)
      const missing = summary(lost(acknowledged, found.records, found.queues))
      if (missing.count > 0) t.fail(`Java lacks messages of store ${store} after kill ${kill}`, missing)
    }
    const opened = await MessageStore.open(dir, { settings })
    const acknowledged = await readNotes(notes)
    t.same(
      summary(lost(acknowledged, await foundOf(opened), queuesOf(opened))),
      { count: 0 },
      `millrace finds all ${acknowledged.length} of store ${store}`,
    )
    const queries = acknowledged.map(({ topic, keys }) => ({ topic, key: keys, maxMessages: 64, begin: 0, end: 4_102_444_800_000 }))
    const unfound = acknowledged.filter(({ logOffset }, i) => !queryOf(opened, queries[i] as QueryRequest).logOffsets.includes(logOffset))
    t.same(summary(unfound), { count: 0 }, 'and by their keys')
    await opened.close()
    const { cleanBefore, answers } = await java.check(dir, settings, queries)
    t.equal(cleanBefore, true)
    const unanswered = acknowledged.filter(({ logOffset }, i) => !answers[i]?.includes(logOffset))
    t.same(summary(unanswered), { count: 0 }, 'as Java does when millrace has closed the store')
  }
  t.comment(`${kills} kills`)
})

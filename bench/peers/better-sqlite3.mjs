// better-sqlite3: a table by place, with an index on the key where keys are on; write-ahead log.
//   flush=async  synchronous = NORMAL: a power cut may lose what was committed since the last checkpoint
//   flush=sync   synchronous = FULL
//   style=transaction (1,000 a transaction) | single
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { bodyOf, keyOf, options, place, TRANSACTION, timeAppends } from '../workload.mjs'

const sync = options.flush === 'sync'
const db = new Database(join(options.dir, 'messages.db'))
db.pragma('journal_mode = WAL')
db.pragma(`synchronous = ${sync ? 'FULL' : 'NORMAL'}`)
db.pragma('cache_size = -262144')
db.exec('CREATE TABLE messages (place INTEGER PRIMARY KEY, key TEXT, body BLOB NOT NULL)')
if (options.keys) db.exec('CREATE INDEX by_key ON messages (key)')
const insert = db.prepare('INSERT INTO messages VALUES (?, ?, ?)')
const put = (i) => insert.run(place(i), options.keys ? keyOf(i) : null, bodyOf(i))
const several = db.transaction((from, to) => {
  for (let i = from; i < to; i++) put(i)
})

const styles = {
  transaction(from, to) {
    const size = sync ? options.inFlight : TRANSACTION
    for (let i = from; i < to; i += size) several(i, Math.min(to, i + size))
  },
  single(from, to) {
    for (let i = from; i < to; i++) put(i)
  },
}

await timeAppends(styles[options.style])
db.close()

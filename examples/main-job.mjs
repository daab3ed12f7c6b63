// The main job: a store that RocketMQ 4.9 wrote in Java is opened, read, appended to and read again. Run it with `npm start`.
// Everything happens in a temporary folder, which is removed at the end.
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MessageStore } from 'millrace'
import { extract } from 'tar'

const APPENDED = 100_000
const IN_FLIGHT = 1_000
const BODY_BYTES = 256
const QUEUES = 4
const TOPIC = 'examples'

const folder = mkdtempSync(join(tmpdir(), 'millrace-main-job-'))
const directory = join(folder, 'java-store')
try {
  extract({ file: fileURLToPath(new URL('data/java-store.tar.gz', import.meta.url)), cwd: folder, sync: true })
  await main()
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function main() {
  heading('A store written by Java, opened by millrace')
  // No settings are needed: sizes are found from the files.
  const store = await MessageStore.open(directory)
  const before = { queues: store.queues(), ...(await digest(store)) }
  console.log(
    `${before.records} records in ${store.maxLogOffset} bytes of log, ${before.queues.length} queues of ${store.topics().length} topics`,
  )
  for (const topic of store.topics().sort()) {
    const bounds = store.queues(topic).sort((a, b) => a.queueId - b.queueId)
    console.log(
      `  ${topic.padEnd(20)} ${bounds.map(({ queueId, minOffset, maxOffset }) => `${queueId}: ${minOffset}–${maxOffset}`).join('   ')}`,
    )
  }

  heading("Messages of 'orders' with the tag 'refunded' or 'cancelled'")
  let matched = 0
  for (const { queueId } of store.queues('orders')) {
    for await (const message of store.messages({ topic: 'orders', queueId, tags: 'refunded || cancelled' })) {
      if (matched++ < 3) show(message)
    }
  }
  console.log(`  … ${matched} in all`)

  heading("Queue 0 of 'payments' from its beginning")
  const page = await store.pull({ topic: 'payments', queueId: 0, offset: 0, maxMessages: 3 })
  for (const message of page.messages) show(message)
  console.log(`  ${page.status}; the next pull starts at ${page.nextOffset} of ${page.maxOffset}`)

  heading(`Appending ${count(APPENDED)} messages of ${BODY_BYTES} bytes, ${count(IN_FLIGHT)} in flight`)
  const appending = stopwatch()
  for (let first = 0; first < APPENDED; first += IN_FLIGHT) {
    const appends = Array.from({ length: IN_FLIGHT }, (_, i) => store.append(message(first + i)))
    for (const { status } of await Promise.all(appends)) check(status === 'PUT_OK', `an append ended with ${status}`)
  }
  rate('appended (in the page cache: safe from a crash of the process)', APPENDED, appending())
  const flushing = stopwatch()
  await store.close()
  console.log(`  ${flushing().toFixed(3)} s to close (now on disk: safe from a power cut)`)

  heading('Opening again, and verifying')
  const opening = stopwatch()
  const again = await MessageStore.open(directory, { readOnly: true })
  console.log(
    `  ${opening().toFixed(3)} s to open; ${again.recovery.cleanBefore ? 'it was closed properly' : 'it was not closed properly'}`,
  )

  for (const { topic, queueId, maxOffset } of before.queues) {
    const { maxOffset: now } = again.bounds(topic, queueId)
    check(now === maxOffset, `queue ${queueId} of '${topic}' ended at ${maxOffset} and ends at ${now}`)
  }
  const javas = await digest(again, before.end)
  check(javas.sha1 === before.sha1 && javas.records === before.records, "Java's records have changed")
  console.log(`  Java's ${before.records} records are there, byte for byte`)

  const reading = stopwatch()
  let found = 0
  for (let queueId = 0; queueId < QUEUES; queueId++) {
    let expected = queueId
    for await (const { queueOffset, tags, body } of again.messages({ topic: TOPIC, queueId })) {
      const wanted = message(expected)
      check(
        queueOffset === (expected - queueId) / QUEUES && tags === wanted.tags && body.equals(wanted.body),
        `message ${expected} differs`,
      )
      expected += QUEUES
      found++
    }
  }
  check(found === APPENDED, `${found} messages were found, not ${APPENDED}`)
  rate('read from their queues and compared with what was appended', found, reading())
  const { records } = await digest(again)
  check(records === before.records + APPENDED, `the log holds ${records} records`)
  console.log(`  the log holds ${count(records)} records: ${before.records} of Java, ${count(APPENDED)} of millrace`)
  await again.close()
}

/** The message of a number: which, can be checked when it is read. */
function message(number) {
  const body = Buffer.alloc(BODY_BYTES, `message ${number} `)
  return { topic: TOPIC, queueId: number % QUEUES, body, tags: number % 3 === 0 ? 'third' : 'other', keys: `n-${number}` }
}

/** Number and hash of the records below a log offset. */
async function digest(store, to = store.maxLogOffset) {
  const hash = createHash('sha1')
  let records = 0
  for await (const { raw } of store.records({ to })) {
    hash.update(raw)
    records++
  }
  return { records, sha1: hash.digest('hex'), end: to }
}

function show({ queueId, queueOffset, tags, body }) {
  console.log(`  queue ${queueId}, offset ${queueOffset}, ${tags}: ${body.toString().slice(0, 100)}`)
}

function heading(text) {
  console.log(`\n${text}`)
}

function stopwatch() {
  const start = process.hrtime.bigint()
  return () => Number(process.hrtime.bigint() - start) / 1e9
}

function rate(what, messages, seconds) {
  console.log(`  ${count(messages)} messages in ${seconds.toFixed(3)} s, ${count(Math.round(messages / seconds))} a second: ${what}`)
}

function count(number) {
  return number.toLocaleString('en-US')
}

function check(holds, otherwise) {
  if (!holds) throw new Error(`verification failed: ${otherwise}`)
}

/** What a broker remembers, as files that are damaged, missing, or can't be written. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ConsumerOffsets } from '#src/broker/consumer-offsets.js'
import { QueueLocks } from '#src/broker/queue-locks.js'
import { SavedFile } from '#src/broker/saved-file.js'
import type { ConfigFiles } from '#src/store/config-files.js'
import { newDirectory, openNew } from '../store/stores.js'
import { started } from './started.js'

t.test('the file before counts where the newer one is missing, empty or no JSON; none at all is none', async (t) => {
  const { config, directory } = await openNew(t)
  const parse = (text: string) => JSON.parse(text) as number
  t.equal(await config.read('x.json', parse), undefined)
  await config.write('x.json', '1')
  await config.write('x.json', '2')
  t.equal(await config.read('x.json', parse), 2)
  const path = join(directory, 'config', 'x.json')
  for (const text of ['', '{', undefined]) {
    if (text === undefined) rmSync(path)
    else writeFileSync(path, text)
    t.equal(await config.read('x.json', parse), 1)
  }
  writeFileSync(`${path}.bak`, 'x')
  await t.rejects(config.read('x.json', parse), { code: 'IO_ERROR', path: `${path}.bak` })
  rmSync(`${path}.bak`)
  t.equal(await config.read('x.json', parse), undefined)
  writeFileSync(path, '{')
  await t.rejects(config.read('x.json', parse), { code: 'IO_ERROR', path })
})

t.test('offsets that could not be written are written the next time', async (t) => {
  let full = true
  const written: string[] = []
  const config = {
    read: async () => undefined,
    write: async (_: string, text: string) => {
      if (full) throw new Error('no room')
      written.push(text)
    },
  } as unknown as ConfigFiles
  const offsets = await ConsumerOffsets.open(config)
  await offsets.save()
  offsets.commit('g', 't', 0, 1)
  await t.rejects(offsets.save(), { message: 'no room' })
  full = false
  await offsets.save()
  await offsets.save()
  t.same(written, ['{\n\t"offsetTable":{\n\t\t"t@g":{0:1\n\t\t}\n\t}\n}'])
  offsets.commit('h', 't', 0, 1)
  offsets.forgetGroup('g')
  t.equal(offsets.get('g', 't', 0), undefined)
  t.equal(offsets.write().toString(), '{"offsetTable":{"t@h":{0:1}}}')
})

t.test('whoever asks while a file is written shares the write after it', async (t) => {
  const texts: string[] = []
  let state = 0
  const config = { write: async (_: string, text: string) => void texts.push(text) } as unknown as ConfigFiles
  const file = new SavedFile(config, 'x', () => String(state))
  state = 1
  const first = file.save()
  await Promise.resolve()
  state = 2
  const [second, third] = [file.save(), file.save()]
  t.equal(second, third)
  state = 3
  await Promise.all([first, second])
  t.ok(texts.length <= 2)
  t.equal(texts.at(-1), '3')
})

t.test('locks that nobody asks for any more are forgotten', async (t) => {
  let now = 0
  const locks = new QueueLocks(() => now)
  const queue = { topic: 't', brokerName: 'b', queueId: 0 }
  locks.lock({ consumerGroup: 'g', clientId: 'c', mqSet: [queue] })
  now = 50_000
  locks.lock({ consumerGroup: 'g', clientId: 'c', mqSet: [{ ...queue, queueId: 1 }] })
  now = 100_000
  locks.clean()
  t.same(locks.lock({ consumerGroup: 'g', clientId: 'd', mqSet: [queue, { ...queue, queueId: 1 }] }), [queue])
  now = 300_000
  locks.clean()
  locks.unlock({ consumerGroup: 'g', clientId: 'd', mqSet: [queue] })
  t.same(locks.lock({ consumerGroup: 'g', clientId: 'e', mqSet: [queue] }), [queue])
})

t.test("a broker starts with Java's files as they are, and not with ones that it can't read", async (t) => {
  const storePathRootDir = newDirectory(t)
  mkdirSync(join(storePathRootDir, 'config'), { recursive: true })
  const write = (name: string, text: string) => writeFileSync(join(storePathRootDir, 'config', name), text)
  write(
    'topics.json',
    '{"dataVersion":{"counter":7,"stateVersion":0,"timestamp":5},"topicConfigTable":{"old":{"topicName":"old","readQueueNums":3,"writeQueueNums":3,"perm":6,"attributes":{}}}}',
  )
  write('consumerOffset.json', '{"offsetTable":{"old@g":{"0":0,1:0}}}')
  write('delayOffset.json', '{"offsetTable":{1:5,2:6}}')
  const { broker } = await started(t, { settings: { storePathRootDir } })
  await broker.close()
  write('topics.json', '{"topicConf')
  rmSync(join(storePathRootDir, 'config', 'topics.json.bak'), { force: true })
  await t.rejects(started(t, { settings: { storePathRootDir } }), { code: 'IO_ERROR', message: /topics\.json/ })
  rmSync(join(storePathRootDir, 'config', 'topics.json'))
  await started(t, { settings: { storePathRootDir } })
})

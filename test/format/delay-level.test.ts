import t from 'tap'
import { StoreError } from '#src/errors.js'
import { DEFAULT_DELAY_LEVELS, delayLevel, parseDelayLevels, SCHEDULE_TOPIC, tagCode, tagHash } from '#src/format/index.js'

const levels = parseDelayLevels(DEFAULT_DELAY_LEVELS)

t.test('the default levels are the 18 of RocketMQ', async (t) => {
  t.equal(levels.length, 18)
  t.same([levels[0], levels[3], levels[4], levels[17]], [1000, 30_000, 60_000, 7_200_000])
  t.same(parseDelayLevels('2d'), [172_800_000])
})

t.test('what is no list of times is refused, and named', async (t) => {
  for (const setting of ['', ' ', '1s  5s', '1s ', '5', 's', '1w', '-1s', '1.5s', '1S', '10000000000s']) {
    try {
      parseDelayLevels(setting)
      t.fail(setting)
    } catch (error) {
      t.ok(error instanceof StoreError && error.code === 'INVALID_SETTING' && error.value === setting, setting)
    }
  }
})

t.test('DELAY asks for a level, and gets the highest there is at most', async (t) => {
  const asked = ['1', '18', '19', '99', '0', '-1', '', 'x', '1.5', ' 1', undefined]
  t.same(
    asked.map((delay) => delayLevel(delay, levels.length)),
    [1, 18, 18, 18, 0, 0, 0, 0, 0, 0, 0],
  )
})

t.test('a tag code is the hash of the whole tag string', async (t) => {
  const record = { topic: 'TopicTest', storeTimestamp: 1, delay: '1' }
  t.equal(tagCode({ ...record, tags: 'TagA' }, levels), 2598919n)
  t.equal(tagCode({ ...record, tags: 'polygenelubricants' }, levels), -2147483648n)
  t.equal(tagCode(record, levels), 0n)
  t.equal(tagHash(undefined), 0)
})

t.test('a waiting delayed message has its delivery time for a tag code', async (t) => {
  const record = { topic: SCHEDULE_TOPIC, tags: 'TagA', storeTimestamp: 1795383413973 }
  t.equal(tagCode({ ...record, delay: '1' }, levels), 1795383414973n)
  t.equal(tagCode({ ...record, delay: '99' }, levels), 1795390613973n)
  t.equal(tagCode({ ...record, delay: '0' }, levels), 2598919n)
  t.equal(tagCode(record, levels), 2598919n)
})

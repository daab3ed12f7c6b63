/**
 * What a broker registers: its topics, their version, and filter servers, which nobody has any more. As JSON, or compressed, which loses topics'
 * order and topicSysFlag:
 *
 *   zlib of  i32 length ┼ DataVersion as JSON ┼ i32 topics ┼ for each i32 length ┼ "name readQueues writeQueues perm filterType" ┼ i32 length ┼ JSON array
 */
import { deflateSync, inflateSync } from 'node:zlib'
import { writeFastjson } from '../fastjson.js'
import { FieldError } from '../fields.js'
import { V3_0_11 } from '../version.js'
import { type DataVersion, dataVersionOf, NO_VERSION } from './data-version.js'
import { type TopicConfig, topicConfigOf } from './topic-config.js'
import { bodyValue, entriesOf, listOf, numberOf, objectOf, textOf } from './values.js'

export interface Registration {
  readonly dataVersion: DataVersion
  readonly topics: readonly TopicConfig[]
  readonly filterServers: readonly string[]
}

/** Of 100,000 topics with the longest names a few megabytes are left. */
const MAX_INFLATED_BYTES = 64 << 20
const ZLIB_LEVEL = 9

const NOTHING: Registration = { dataVersion: NO_VERSION, topics: [], filterServers: [] }

/** `version`: of the request. Old brokers send their topics alone. */
export function readRegistration(body: Buffer, { compressed, version }: { compressed: boolean; version: number }): Registration {
  if (body.length === 0) return NOTHING
  if (compressed) return readCompressed(body)
  const value = objectOf(bodyValue(body))
  const wrapper = objectOf(version >= V3_0_11 ? value.topicConfigSerializeWrapper : value)
  return {
    dataVersion: dataVersionOf(wrapper.dataVersion),
    topics: entriesOf(wrapper.topicConfigTable).map(([name, config]) => ({ ...topicConfigOf(config), topicName: textOf(name) })),
    filterServers: listOf(value.filterServerList).map(textOf),
  }
}

function readCompressed(body: Buffer): Registration {
  let bytes: Buffer
  try {
    bytes = inflateSync(body, { maxOutputLength: MAX_INFLATED_BYTES })
  } catch (error) {
    throw new FieldError('java.util.zip.ZipException', (error as Error).message)
  }
  let at = 0
  const int = (): number => {
    if (at + 4 > bytes.length) throw new FieldError('java.io.EOFException', 'a registration that is cut off')
    at += 4
    return bytes.readInt32BE(at - 4)
  }
  const piece = (): string => {
    const length = int()
    if (length < 0 || at + length > bytes.length) throw new FieldError('java.io.EOFException', 'a registration that is cut off')
    at += length
    return bytes.toString('utf8', at - length, at)
  }
  const dataVersion = dataVersionOf(bodyValue(Buffer.from(piece())))
  const topics: TopicConfig[] = []
  for (let left = int(); left > 0; left--) {
    const [topicName = '', read, write, perm, topicFilterType] = piece().split(' ')
    const config = topicConfigOf({ topicFilterType })
    topics.push({
      ...config,
      topicName,
      readQueueNums: numberOf(read, config.readQueueNums),
      writeQueueNums: numberOf(write, config.writeQueueNums),
      perm: numberOf(perm, config.perm),
    })
  }
  return { dataVersion, topics, filterServers: listOf(bodyValue(Buffer.from(piece()))).map(textOf) }
}

export function writeRegistration({ dataVersion, topics, filterServers }: Registration, compressed = false): Buffer {
  if (!compressed) {
    const topicConfigTable = new Map(topics.map((topic) => [topic.topicName, topic]))
    const topicConfigSerializeWrapper = { dataVersion, topicConfigTable }
    return Buffer.from(writeFastjson({ filterServerList: filterServers, topicConfigSerializeWrapper }))
  }
  const int = (value: number) => {
    const bytes = Buffer.allocUnsafe(4)
    bytes.writeInt32BE(value)
    return bytes
  }
  const piece = (text: string) => [int(Buffer.byteLength(text)), Buffer.from(text)]
  const lines = topics.flatMap(({ topicName, readQueueNums, writeQueueNums, perm, topicFilterType }) =>
    piece(`${topicName} ${readQueueNums} ${writeQueueNums} ${perm} ${topicFilterType}`),
  )
  const parts = [...piece(writeFastjson(dataVersion)), int(topics.length), ...lines, ...piece(writeFastjson(filterServers))]
  return deflateSync(Buffer.concat(parts), { level: ZLIB_LEVEL })
}

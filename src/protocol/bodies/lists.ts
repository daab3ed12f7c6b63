/** Lists of topics, and tables of texts. */
import { writeFastjson } from '../fastjson.js'
import { bodyValue, entriesOf, listOf, objectOf, textOf } from './values.js'

export interface TopicList {
  readonly topicList: readonly string[]
  /** A broker that knows more of what was asked. */
  readonly brokerAddr?: string | undefined
}

export function writeTopicList({ topicList, brokerAddr }: TopicList): Buffer {
  return Buffer.from(writeFastjson({ brokerAddr, topicList }))
}

export function readTopicList(body: Uint8Array): TopicList {
  const { topicList, brokerAddr } = objectOf(bodyValue(body))
  return {
    topicList: listOf(topicList).map(textOf),
    ...(brokerAddr !== undefined && brokerAddr !== null && { brokerAddr: textOf(brokerAddr) }),
  }
}

export function writeKvTable(table: ReadonlyMap<string, string>): Buffer {
  return Buffer.from(writeFastjson({ table }))
}

export function readKvTable(body: Uint8Array): Map<string, string> {
  return new Map(entriesOf(objectOf(bodyValue(body)).table).map(([key, value]) => [textOf(key), textOf(value)]))
}

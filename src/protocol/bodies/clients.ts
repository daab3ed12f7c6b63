/** The clients of a group. */
import { writeFastjson } from '../fastjson.js'
import { bodyValue, listOf, objectOf, textOf } from './values.js'

export function writeConsumerIds(consumerIdList: readonly string[]): Buffer {
  return Buffer.from(writeFastjson({ consumerIdList }))
}

export function readConsumerIds(body: Uint8Array): string[] {
  return listOf(objectOf(bodyValue(body)).consumerIdList).map(textOf)
}

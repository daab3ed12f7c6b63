/** What a broker answers when it can't do what it was asked, in RocketMQ's words: its clients know some of them. */
import { statfsSync } from 'node:fs'
import { StoreError } from '../errors.js'
import { FAQ, ResponseCode } from '../protocol/response-code.js'
import type { Connection } from '../remoting/connection.js'
import type { Answer } from '../remoting/remoting-server.js'
import type { BrokerContext } from './context.js'

export function refusal(code: number, remark: string): Answer {
  return { code, remark, fields: {} }
}

export function topicUnknown(topic: string, blank = ''): Answer {
  return refusal(ResponseCode.TOPIC_NOT_EXIST, `topic[${topic}] not exist, apply first please!${blank}${FAQ}`)
}

export function groupUnknown(group: string): Answer {
  return refusal(ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST, `subscription group not exist, ${group} ${FAQ}`)
}

export function brokerForbids({ settings }: Pick<BrokerContext, 'settings'>, what: string): Answer {
  return refusal(ResponseCode.NO_PERMISSION, `the broker[${settings.brokerIP1}] ${what} is forbidden`)
}

/** Whether a send has lain here for too long to be begun: its producer has given it up, or will have. */
export function waitedTooLong({ settings }: Pick<BrokerContext, 'settings'>, connection: Connection): boolean {
  return settings.brokerFastFailureEnable && connection.waitedMs > settings.waitTimeMillsInSendQueue
}

export function tooLate(connection: Connection): Answer {
  const waited = Math.floor(connection.waitedMs)
  const remark = `[TIMEOUT_CLEAN_QUEUE]broker busy, start flow control for a while, period in queue: ${waited}ms, size of queue: 0`
  return { code: ResponseCode.SYSTEM_BUSY, remark }
}

export function messageIllegal(maxMessageSize: number): Answer {
  return refusal(
    ResponseCode.MESSAGE_ILLEGAL,
    `the message is illegal, maybe msg body or properties length not matched. msg body length limit ${maxMessageSize}B, msg properties length limit 32KB.`,
  )
}

/** Of an append. Throws what is no refusal. */
export function putRefusal({ settings, store }: BrokerContext, error: unknown): Answer {
  if (!(error instanceof StoreError)) throw error
  switch (error.code) {
    case 'MESSAGE_ILLEGAL':
    case 'PROPERTIES_SIZE_EXCEEDED':
      return messageIllegal(settings.maxMessageSize)
    case 'DISK_FULL':
    case 'STORE_NOT_OPEN':
    case 'STORE_FAILED':
    case 'STORE_READ_ONLY':
    case 'SYNC_FAILED':
      return refusal(
        ResponseCode.SERVICE_NOT_AVAILABLE,
        `service not available now. It may be caused by one of the following reasons: the broker's disk is full [${diskUse(store.directory)}], messages are put to the slave, message store has been shut down, etc.`,
      )
    case 'PAGECACHE_BUSY':
      return refusal(ResponseCode.SYSTEM_ERROR, '[PC_SYNCHRONIZED]broker busy, start flow control for a while')
    case 'TOO_MANY_WAITING':
      return refusal(ResponseCode.SYSTEM_BUSY, '[OVERLOAD]system busy, start flow control for a while')
    case 'SEGMENT_CREATE_FAILED':
      return refusal(ResponseCode.SYSTEM_ERROR, 'create mapped file failed, server is busy or broken.')
    default:
      throw error
  }
}

/** As shares of 1; log, queues and index lie on one disk here. */
function diskUse(directory: string): string {
  const { blocks, bfree, bavail } = statfsSync(directory)
  const share = ((blocks - bfree) / Math.max(1, blocks - bfree + bavail)).toFixed(2)
  return ['CL', 'CQ', 'INDEX'].map((part) => `${part}: ${share.padStart(5)}`).join(' ')
}

/** A broker of a test's own, and clients of it. */
import type { Test } from 'tap'
import { Broker, type BrokerOptions } from '#src/broker/broker.js'
import { DEFAULT_DELAY_LEVELS } from '#src/format/delay-level.js'
import { writeHeartbeat } from '#src/protocol/bodies/heartbeat.js'
import * as requests from '#src/protocol/requests/broker.js'
import { Message } from '#src/store/message.js'
import { newDirectory } from '../store/stores.js'
import { RemotingPeer } from '../support/remoting.js'

export const settings = {
  listenPort: 0,
  brokerName: 'broker-a',
  mappedFileSizeCommitLog: 1 << 20,
  mappedFileSizeConsumeQueue: 20 * 1000,
  maxHashSlotNum: 100,
  maxIndexNum: 400,
  messageDelayLevel: DEFAULT_DELAY_LEVELS,
}

export async function started(t: Test, options: BrokerOptions = {}) {
  const storePathRootDir = options.settings?.storePathRootDir ?? newDirectory(t)
  const broker = await Broker.start({ ...options, settings: { ...settings, storePathRootDir, ...options.settings } })
  t.teardown(() => broker.close())
  return { broker, peer: () => peerOf(t, broker.address) }
}

export async function peerOf(t: Test, address: string): Promise<RemotingPeer> {
  const peer = await RemotingPeer.connect(address)
  t.teardown(() => peer.close())
  return peer
}

export const sending = {
  ...{
    a: 'PG',
    b: 'orders',
    c: 'TBW102',
    d: 4,
    e: 0,
    f: 0,
    g: 1_700_000_000_000,
    h: 0,
    i: 'TAGS\u0001paid\u0002KEYS\u0001k1\u0002UNIQ_KEY\u0001U1\u0002WAIT\u0001true',
  },
  ...{ j: 0, k: false, m: false },
}

export function send(peer: RemotingPeer, fields: object = {}, body = 'hello') {
  return peer.ask(requests.SEND_MESSAGE_V2, { ...sending, ...fields }, Buffer.from(body))
}

export const pulling = {
  ...{ consumerGroup: 'CG', topic: 'orders', queueId: 0, queueOffset: 0, maxMsgNums: 32, sysFlag: requests.PULL_HAS_SUBSCRIPTION },
  ...{ commitOffset: 0, suspendTimeoutMillis: 15_000, subscription: '*', subVersion: 0 },
}

export function pull(peer: RemotingPeer, fields: object = {}) {
  return peer.ask(requests.PULL_MESSAGE, { ...pulling, ...fields })
}

export function messagesIn(body: Buffer): Message[] {
  const messages: Message[] = []
  for (let at = 0; at < body.length; at += body.readInt32BE(at)) messages.push(new Message(body, at))
  return messages
}

export function subscribe(topic: string, subString = '*', subVersion = 1) {
  return { topic, subString, subVersion, expressionType: 'TAG', classFilterMode: false, tagsSet: [], codeSet: [] }
}

export async function heartbeat(peer: RemotingPeer, clientID: string, group = 'CG', topics = [subscribe('orders')], more: object = {}) {
  const consumer = {
    ...{ groupName: group, consumeType: 'CONSUME_PASSIVELY' as const, messageModel: 'CLUSTERING' as const },
    ...{ consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET', subscriptionDataSet: topics, unitMode: false, ...more },
  }
  return peer.ask(requests.HEART_BEAT, {}, writeHeartbeat({ clientID, producerGroups: ['CLIENT_INNER_PRODUCER'], consumers: [consumer] }))
}

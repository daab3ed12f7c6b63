/** A request or a response, whichever header it came with or goes with. */
import { readBinaryHeader, writeBinaryHeader } from './binary-header.js'
import { BINARY_HEADER, type Frame, frameHead, type HeaderType, JSON_HEADER } from './frame.js'
import { readJsonHeader, writeJsonHeader } from './json-header.js'
import type { Language } from './language.js'

const RESPONSE_BIT = 1
const ONEWAY_BIT = 2
const EMPTY = Buffer.alloc(0)
/** The next request's number comes after this. */
export const nextOpaque = (opaque: number): number => (opaque + 1) & 0x7fffffff

/** Header fields by name. What other languages write as numbers and booleans is text here too. */
export type Fields = Readonly<Record<string, string | undefined>>

export interface Header {
  /** The request's code; in a response the response's. */
  readonly code: number
  /** Undefined where the sender's is not known here. */
  readonly language: Language | undefined
  /** An ordinal of RocketMQ's MQVersion (version.ts). */
  readonly version: number
  /** Told apart by it are the requests of one sender; a response has its request's. Signed 32 bits. */
  readonly opaque: number
  /** Bit 0: a response; bit 1: nobody waits for one. */
  readonly flag: number
  readonly remark: string | undefined
  readonly fields: Fields | undefined
}

export interface Command extends Header {
  readonly type: HeaderType
  readonly body: Buffer
}

/** Throws a FrameError where the header can't be read: nothing can be answered then. */
export function readCommand({ type, header, body }: Frame): Command {
  return { ...(type === JSON_HEADER ? readJsonHeader(header) : readBinaryHeader(header)), type, body }
}

/** The bytes in front of the body, of which so many follow. */
export function writeHead(header: Header, type: HeaderType, bodyBytes = 0): Buffer {
  return frameHead(type, type === BINARY_HEADER ? writeBinaryHeader(header) : writeJsonHeader(header), bodyBytes)
}

export function writeCommand({ type, body, ...header }: Command): Buffer {
  const head = writeHead(header, type, body.length)
  return body.length === 0 ? head : Buffer.concat([head, body])
}

export function isResponse({ flag }: Pick<Header, 'flag'>): boolean {
  return (flag & RESPONSE_BIT) !== 0
}

/** Who sent it keeps no waiter: it is never answered. */
export function isOneway({ flag }: Pick<Header, 'flag'>): boolean {
  return (flag & ONEWAY_BIT) !== 0
}

/** What a request says, whoever asks. */
export type Question = Pick<Command, 'code'> & Partial<Pick<Command, 'fields' | 'body'>>

export function requestOf(
  { code, fields, body = EMPTY }: Question,
  own: Pick<Header, 'language' | 'version'>,
  { opaque, oneway = false }: { opaque: number; oneway?: boolean },
): Command {
  return { ...own, code, fields, body, opaque, flag: oneway ? ONEWAY_BIT : 0, remark: undefined, type: JSON_HEADER }
}

/** What a request and its response have in common; RocketMQ answers in the form in which it was asked. */
export function responseTo(
  request: Pick<Command, 'opaque' | 'type'>,
  own: Pick<Header, 'language' | 'version'>,
  answer: Partial<Pick<Command, 'code' | 'remark' | 'fields' | 'body'>>,
): Command {
  const { code = 0, remark, fields, body = EMPTY } = answer
  return { ...own, code, remark, fields, body, opaque: request.opaque, flag: RESPONSE_BIT, type: request.type }
}

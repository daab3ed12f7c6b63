/**
 * The offset message id: where a record lies, in upper-case hex. 32 digits with an IPv4 store host, 56 with an IPv6 one.
 *
 *   7F000001 00002A9F 00000000000000A7      2001...0002 00002A9F 0000000000000292
 *   ├ address ┼ port   ┼ log offset   ┤      ├ 16 bytes  ┼ port   ┼ log offset   ┤
 */
import { HOST_BYTES_V4, HOST_BYTES_V6, type Host, hostBytes } from './host.js'

export interface MessageLocation {
  readonly storeHost: Host
  /** Byte in the whole log. */
  readonly logOffset: number
}

const OFFSET_BYTES = 8

export function encodeMessageId({ storeHost, logOffset }: MessageLocation): string {
  return messageIdOf(hostBytes(storeHost), logOffset)
}

/** The id for a store host that is at hand as 8 or 20 bytes. */
export function messageIdOf(storeHost: Buffer, logOffset: number): string {
  return (
    storeHost.toString('hex').toUpperCase() +
    logOffset
      .toString(16)
      .toUpperCase()
      .padStart(2 * OFFSET_BYTES, '0')
  )
}

/** Where the record lies; undefined for what is no offset message id. */
export function decodeMessageId(messageId: string): MessageLocation | undefined {
  const bytes = Buffer.from(messageId, 'hex')
  const hostLength = bytes.length - OFFSET_BYTES
  if (bytes.length * 2 !== messageId.length || (hostLength !== HOST_BYTES_V4 && hostLength !== HOST_BYTES_V6)) return undefined
  const logOffset = Number(bytes.readBigInt64BE(hostLength))
  if (logOffset < 0 || !Number.isSafeInteger(logOffset)) return undefined
  const addressLength = hostLength - 4
  return { storeHost: { address: new Uint8Array(bytes.subarray(0, addressLength)), port: bytes.readInt32BE(addressLength) }, logOffset }
}

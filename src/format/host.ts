/**
 * Hosts: 4 or 16 address bytes and a port of 4 bytes in files and ids, `1.2.3.4:10911` or `[2001:db8:0:0:0:0:0:1]:10911` as text.
 * IPv6 addresses are written in full, as Java prints them, and read in every form that IPv6 has.
 */
import { isIPv4, isIPv6 } from 'node:net'
import { int32 } from './bytes.js'

/** An address and a port, which is at most 65535 where it was parsed and any 32 bits where it was read from a file. */
export interface Host {
  /** 4 or 16 bytes. */
  readonly address: Uint8Array
  readonly port: number
}

export const HOST_BYTES_V4 = 8
export const HOST_BYTES_V6 = 20

const MAX_PORT = 65535

/** Reads `ip:port` or `[ip6]:port`; undefined for anything else, names included. */
export function parseHost(text: string): Host | undefined {
  const [, v6, v4, digits] = /^(?:\[([^\]%]+)\]|([\d.]+)):(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  if (!(port <= MAX_PORT)) return undefined
  if (v4 !== undefined) return isIPv4(v4) ? { address: parseV4(v4), port } : undefined
  return v6 !== undefined && isIPv6(v6) ? { address: parseV6(v6), port } : undefined
}

/** Text of the host whose address and port are the `length` bytes (8 or 20) at `at`. */
export function hostText(bytes: Uint8Array, at: number, length: number): string {
  const portAt = at + length - 4
  if (length === HOST_BYTES_V4) return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}:${int32(bytes, portAt)}`
  let text = '['
  for (let i = at; i < portAt; i += 2) text += `${((bytes[i]! << 8) | bytes[i + 1]!).toString(16)}:`
  return `${text.slice(0, -1)}]:${int32(bytes, portAt)}`
}

/** Address and port as they lie in a record and in a message id: 8 or 20 bytes. */
export function hostBytes({ address, port }: Host): Buffer {
  const bytes = Buffer.allocUnsafe(address.length + 4)
  bytes.set(address)
  bytes.writeInt32BE(port, address.length)
  return bytes
}

function parseV4(text: string): Uint8Array {
  return Uint8Array.from(text.split('.'), Number)
}

/** `text` is known to be valid. */
function parseV6(text: string): Uint8Array {
  const address = new Uint8Array(16)
  // The last four bytes may stand as an IPv4 address: they become two groups.
  const hex = text.replace(/[\d.]+\.[\d.]+$/, (v4) => {
    const [a, b, c, d] = parseV4(v4)
    return `${((a! << 8) | b!).toString(16)}:${((c! << 8) | d!).toString(16)}`
  })
  const [head = '', tail] = hex.split('::')
  const put = (groups: string, at: number) => {
    for (const group of groups.split(':').filter((group) => group !== '')) {
      const value = Number.parseInt(group, 16)
      address[at++] = value >> 8
      address[at++] = value & 0xff
    }
  }
  put(head, 0)
  if (tail) put(tail, 16 - 2 * tail.split(':').length)
  return address
}

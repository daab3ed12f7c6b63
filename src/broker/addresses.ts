/** Where a broker listens, and where it says that it does. */
import { createServer, isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'
import { storeError } from '../errors.js'
import type { BrokerSettings } from './settings.js'

const TRIES = 50
/** The second port lies so much below the first. */
export const VIP_DISTANCE = 2

/**
 * brokerIP1, found where it is not set, and a port, chosen where it is 0. Throws INVALID_SETTING where others would be sent to an address on which this broker
 * does not listen. Who says where it binds knows how others get there.
 */
export async function addressesOf(
  settings: BrokerSettings,
  { bindAddressGiven }: { bindAddressGiven: boolean },
): Promise<{ brokerIP1: string; listenPort: number }> {
  const { bindAddress, listenPort } = settings
  const brokerIP1 = settings.brokerIP1 ?? ownAddress(bindAddress)
  if (!bindAddressGiven && !isLoopback(brokerIP1))
    throw storeError('INVALID_SETTING', {
      setting: 'brokerIP1',
      value: brokerIP1,
      allowed: `an address of the loopback as long as the broker listens there alone; add the line bindAddress=0.0.0.0, or bindAddress=${brokerIP1}, to listen to others: there is no access control`,
    })
  return { brokerIP1, listenPort: listenPort === 0 ? await freePort(bindAddress) : listenPort }
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1' || address === 'localhost'
}

function ownAddress(bindAddress: string): string {
  if (bindAddress !== '0.0.0.0' && bindAddress !== '::') return bindAddress === 'localhost' ? '127.0.0.1' : bindAddress
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  const outside = all.find(({ internal, address }) => !internal && !isIPv6(address)) ?? all.find(({ internal }) => !internal)
  return outside?.address ?? '127.0.0.1'
}

/** One below which the VIP port is free too. */
async function freePort(host: string): Promise<number> {
  for (let i = 0; i < TRIES; i++) {
    const port = await listened(host, 0)
    if (port !== undefined && (await listened(host, port - VIP_DISTANCE)) !== undefined) return port
  }
  throw storeError('IO_ERROR', { reason: `no two free ports on ${host}` })
}

/** The port that was free a moment ago. */
function listened(host: string, port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(undefined))
    server.listen({ host, port }, () => {
      const address = server.address()
      server.close(() => resolve(address !== null && typeof address === 'object' ? address.port : undefined))
    })
  })
}

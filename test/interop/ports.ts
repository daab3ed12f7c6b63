/**
 * Ports for servers on the loopback. They lie below those that the system gives to connections: while a server is away, a client that tries to reach it would
 * else be given the very port in time, and be connected with itself.
 */
import { randomInt } from 'node:crypto'
import { connect, createServer } from 'node:net'

const LOWEST = 20_400
const BELOW = 32_700
const TRIES = 100

/** One that is free, as are those so far from it. */
export async function freePort(...distances: readonly number[]): Promise<number> {
  for (let i = 0; i < TRIES; i++) {
    const port = randomInt(LOWEST, BELOW)
    const free = await Promise.all([0, ...distances].map((distance) => isFree(port + distance)))
    if (free.every(Boolean)) return port
  }
  throw new Error('no free ports')
}

export function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket
      .once('connect', () => {
        socket.destroy()
        resolve(true)
      })
      .once('error', () => resolve(false))
  })
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false)).listen({ host: '0.0.0.0', port }, () => server.close(() => resolve(true)))
  })
}

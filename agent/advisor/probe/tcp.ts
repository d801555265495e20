// Well when the ship accepts a TCP connection at its own address. (A published port on loopback would prove
// nothing: Docker's proxy accepts for a ship that does not listen.)
import { connect } from 'node:net'
import type { Ask } from './probe.ts'

export const askTcp: Ask = ({ address, port, timeoutMs, signal }) =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, signal })
    socket.setTimeout(timeoutMs)
    socket.once('connect', () => {
      socket.destroy()
      resolve(undefined)
    })
    socket.once('timeout', () => {
      socket.destroy()
      reject(new Error(`nothing accepted at TCP port ${port} within ${timeoutMs} ms`))
    })
    socket.once('error', (error) => {
      socket.destroy()
      reject(said(error, port))
    })
  })

/** The error of a connection, in words that tell what to look at. */
export function said(error: NodeJS.ErrnoException, port: number): Error {
  return error.code === 'ECONNREFUSED' ? new Error(`nothing listens at TCP port ${port}`) : error
}

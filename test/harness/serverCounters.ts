// A ZooKeeper server's own counters, as its `srvr` tells them.
import { connect } from 'node:net'

export interface Counters {
  /** Packets that clients sent: requests, and the pings of idle sessions. */
  received: number
  /** Transactions: writes, and sessions that begin and end. */
  transactions: number
}

/** @throws when the server does not answer. */
export async function countersOf(address: string): Promise<Counters> {
  const [host = '', port] = address.split(':')
  const text = await new Promise<string>((resolve, reject) => {
    let reply = ''
    const socket = connect({ host, port: Number(port), timeout: 5_000 }, () => socket.write('srvr'))
    socket.on('data', (data) => {
      reply += data
    })
    socket.once('close', () => resolve(reply))
    socket.once('timeout', () => socket.destroy())
    socket.once('error', reject)
  })
  const received = /^Received: (\d+)/m.exec(text)?.[1]
  const zxid = /^Zxid: 0x([0-9a-f]+)/m.exec(text)?.[1]
  if (received === undefined || zxid === undefined)
    throw new Error(`${address} does not tell its counters: ${text}`)
  // Its upper half is the epoch of the server's leader.
  return { received: Number(received), transactions: Number(BigInt(`0x${zxid}`) & 0xffffffffn) }
}

export function since(before: Counters, now: Counters): Counters {
  return { received: now.received - before.received, transactions: now.transactions - before.transactions }
}

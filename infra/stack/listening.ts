// Whether something listens at an address.
import { connect, type NetConnectOpts } from 'node:net'

/** True when a connection is accepted within `limitMs`. */
export async function isListening(
  target: { host: string; port: number } | { path: string },
  limitMs = 300,
): Promise<boolean> {
  return await new Promise((resolve) => {
    const options: NetConnectOpts = { ...target, timeout: limitMs }
    const socket = connect(options, () => finish(true))
    const finish = (answer: boolean): void => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('timeout', () => finish(false))
    socket.once('error', () => finish(false))
  })
}

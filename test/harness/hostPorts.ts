// Host ports for the ships of one test host, that no other host on this machine has, whichever test file it is of.
//
// A slot is held by listening on its first port until the process ends, however it ends. The slots lie below the ports
// of servers (`infra/stack/port.ts`), which in turn lie below those of outgoing connections.
import { createServer } from 'node:net'

const firstPort = 10_000
const slotPorts = 250
const slots = 36
const sdkPorts = 50

export interface HostPorts {
  from: number
  /** For the settings of an agent. */
  range: string
  /** As range, for the SDK of ships on the host's network. */
  sdk: string
}

/** @throws when other tests hold all slots. */
export async function takeHostPorts(): Promise<HostPorts> {
  // Containers of a test that was killed may hold ports of its slot for a moment, so the lowest is not always the next.
  const start = Math.floor(Math.random() * slots)
  for (let step = 0; step < slots; step++) {
    const held = firstPort + ((start + step) % slots) * slotPorts
    if (!(await hold(held))) continue
    const end = held + slotPorts
    const from = held + 1
    return { from, range: `${from}-${end - sdkPorts - 1}`, sdk: `${end - sdkPorts}-${end - 1}` }
  }
  throw new Error(`all ${slots} slots of host ports are held by other tests`)
}

async function hold(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const server = createServer().unref()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => resolve(true))
  })
}

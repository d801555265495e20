// Whether the host ports of a ship are truly free, whatever the scheduler thinks.
import { sleep } from '../../../shared/loop.ts'
import type { Port } from '../../../shared/model/port.ts'
import { transports } from '../../docker/options.ts'
import { isTcpFree, isUdpFree } from '../../freePort.ts'

/** Docker gives a port back a moment after the container that had it. */
const patienceMs = 1_000

export interface BusyPort {
  name: string
  /** Such as `7001/udp`. */
  text: string
}

/** The first port that somebody holds; undefined when all are free. */
export async function busyPort(ports: readonly Port[]): Promise<BusyPort | undefined> {
  const untilMs = performance.now() + patienceMs
  for (;;) {
    const busy = await firstBusy(ports)
    if (busy === undefined || performance.now() > untilMs) return busy
    await sleep(100)
  }
}

async function firstBusy(ports: readonly Port[]): Promise<BusyPort | undefined> {
  for (const { name, hostPort, protocol } of ports) {
    if (hostPort === null) continue
    for (const transport of transports[protocol]) {
      const free = transport === 'udp' ? await isUdpFree(hostPort) : await isTcpFree(hostPort)
      if (!free) return { name, text: `${hostPort}/${transport}` }
    }
  }
  return undefined
}

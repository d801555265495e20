// What ships take of their hosts by their records, shown to the scheduler ahead of what the hosts report.
import type { Holding } from '../../../shared/model/holding.ts'
import { hostPortsOf } from '../../../shared/model/port.ts'
import { heldBy } from '../../../shared/model/resize.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import type { HostNodes } from '../../stores/keeper/hostNodes.ts'

/** @throws the first error, after all other hosts. */
export async function showHeld(hostNodes: HostNodes, ships: readonly Ship[]): Promise<void> {
  const byHost = new Map<string, Holding[]>()
  for (const ship of ships) {
    const { id, attempt, fleet, host } = ship
    if (host === null) continue
    const holding = { ship: id, attempt, fleet, resources: heldBy(ship), hostPorts: hostPortsOf(ship) }
    byHost.set(host, [...(byHost.get(host) ?? []), holding])
  }
  const errors: unknown[] = []
  for (const [host, holdings] of byHost)
    await hostNodes.show(host, holdings).catch((error) => errors.push(error))
  if (errors.length > 0) throw errors[0]
}

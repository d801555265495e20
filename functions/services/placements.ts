// Placements: the leading scheduler says what it decided.
import * as routes from '../../shared/api/placements.ts'
import { assignPorts, type Port } from '../../shared/model/port.ts'
import type { Ship } from '../../shared/model/ship.ts'
import type { Meters } from '../metrics/meters.ts'
import { guarded } from '../middleware/authenticate.ts'
import type { Stores } from '../stores/stores.ts'
import { place, refuse } from './lifecycle.ts'
import { serviceApp } from './serviceApp.ts'

export function placementService(stores: Stores, meters: Meters) {
  const { ships, samples, epochs, blueprints } = stores
  return serviceApp().openapi(guarded(routes.reportPlacements), async (c) => {
    const { epoch, placed, refused, waiting } = c.req.valid('json')
    const fence = await epochs.fence('scheduler', epoch)
    const stale = new Set<string>()

    meters.waiting(waiting.length)
    const placements = new Map(placed.map((entry) => [entry.ship, entry]))
    const ports = await portsOf(placed)
    await ships.update(
      [...placements.keys()],
      (ship) => {
        const { attempt, host } = placements.get(ship.id) as (typeof placed)[number]
        note(ship, attempt)
        return place(ship, attempt, host, ports.get(ship.id) ?? [])
      },
      fence,
    )

    const refusals = new Map(refused.map((entry) => [entry.ship, entry]))
    await ships.update(
      [...refusals.keys()],
      (ship) => {
        const { attempt, reason } = refusals.get(ship.id) as (typeof refused)[number]
        note(ship, attempt)
        return refuse(ship, attempt, reason)
      },
      fence,
    )

    for (const id of waiting) if (!(await isQueued(id))) stale.add(id)
    await samples.holdTickets(waiting)
    meters.placements('placed', placed.length)
    meters.placements('refused', refused.length)
    meters.placements('stale', stale.size)
    return c.json({ stale: [...stale] }, 200)

    function note(ship: Ship, attempt: number): void {
      if (isStale(ship, attempt)) stale.add(ship.id)
      else stale.delete(ship.id)
    }
  })

  /** Memory may lag behind, and a ticket that is dropped wrongly costs its ship much time. */
  async function isQueued(id: string): Promise<boolean> {
    return ships.table.get(id)?.value.state === 'Queued' || (await ships.read(id))?.value.state === 'Queued'
  }

  async function portsOf(placed: routes.PlacementReport['placed']): Promise<Map<string, Port[]>> {
    const ports = new Map<string, Port[]>()
    for (const { ship, ports: choice } of placed) {
      const row = await ships.get(ship)
      if (!row) continue
      const { name, revision } = row.value.blueprint
      const blueprint = await blueprints.get(name, revision)
      if (blueprint) ports.set(ship, assignPorts(blueprint.spec.ports, choice))
    }
    return ports
  }
}

/** Its ticket can be dropped: a later attempt exists, or the ship needs no host any more. */
function isStale(ship: Ship, attempt: number): boolean {
  return ship.attempt > attempt || ship.state === 'Stopped' || ship.state === 'Failed'
}

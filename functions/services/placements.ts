// Placements: the leading scheduler says what it decided.
import * as routes from '../../shared/api/placements.ts'
import { assignPorts, hostPortsOf, type Port } from '../../shared/model/port.ts'
import type { Ship } from '../../shared/model/ship.ts'
import { isAboard, isFinished } from '../../shared/model/shipState.ts'
import { each } from '../../shared/zookeeper/persistence.ts'
import type { Meters } from '../metrics/meters.ts'
import { guarded } from '../middleware/authenticate.ts'
import { tellTraces } from '../middleware/request.ts'
import type { Stores } from '../stores/stores.ts'
import { place, refuse } from './changes/lifecycle.ts'
import { showHeld } from './placements/heldShips.ts'
import { serviceApp } from './serviceApp.ts'

const readsInFlight = 64

export function placementService(stores: Stores, meters: Meters) {
  const { ships, samples, epochs, blueprints, hostNodes } = stores
  return serviceApp().openapi(guarded(routes.reportPlacements), async (c) => {
    const { epoch, placed, refused, waiting, assumed, missing, figures } = c.req.valid('json')
    tellTraces(c, [...placed, ...refused])
    const fence = await epochs.fence('scheduler', epoch)
    const stale = new Set<string>()
    const elsewhere = new Map<string, Ship>()

    meters.waiting(waiting.length)
    const placements = new Map(placed.map((entry) => [entry.ship, entry]))
    const ports = await portsOf(placed)
    await ships.update(
      [...placements.keys()],
      (ship) => {
        const { attempt, host, why } = placements.get(ship.id) as (typeof placed)[number]
        note(ship, attempt)
        const chosen = ports.get(ship.id) ?? []
        if (isElsewhere(ship, attempt, host, chosen)) elsewhere.set(ship.id, ship)
        else elsewhere.delete(ship.id)
        return place(ship, attempt, host, chosen, why)
      },
      fence,
    )

    const refusals = new Map(refused.map((entry) => [entry.ship, entry]))
    await ships.update(
      [...refusals.keys()],
      (ship) => {
        const { attempt, reason, why } = refusals.get(ship.id) as (typeof refused)[number]
        note(ship, attempt)
        return refuse(ship, attempt, reason, why)
      },
      fence,
    )

    const gone: string[] = []
    await each(assumed, readsInFlight, async ({ ship: id, attempt, host }) => {
      const ship = await assumedShip(id, attempt, host)
      if (ship && isThere(ship, attempt, host)) return
      gone.push(id)
      if (ship && isElsewhere(ship, attempt, host)) elsewhere.set(id, ship)
    })
    // A job was written twice, and its ship is not where the leader believes: the Advice of its host says so.
    await showHeld(hostNodes, [...elsewhere.values()])

    for (const id of waiting) if (!(await isQueued(id))) stale.add(id)
    const excused: string[] = []
    await each(missing, readsInFlight, async (id) => {
      if (!(await isQueued(id))) excused.push(id)
    })
    await samples.holdTickets(waiting)
    meters.scheduler.told({ placed, refused, figures })
    meters.placements('placed', placed.length)
    meters.placements('refused', refused.length)
    meters.placements('stale', stale.size)
    return c.json({ stale: [...stale], gone, excused }, 200)

    function note(ship: Ship, attempt: number): void {
      if (isStale(ship, attempt)) stale.add(ship.id)
      else stale.delete(ship.id)
    }
  })

  /** Memory may lag behind, and a ticket that is dropped wrongly costs its ship much time. */
  async function isQueued(id: string): Promise<boolean> {
    return ships.table.get(id)?.value.state === 'Queued' || (await ships.read(id))?.value.state === 'Queued'
  }

  /** Memory may lag behind, and room that is freed wrongly is given twice. */
  async function assumedShip(id: string, attempt: number, host: string): Promise<Ship | undefined> {
    const known = ships.table.get(id)?.value
    const isCertain = known && (isStale(known, attempt) || isThere(known, attempt, host))
    return isCertain ? known : (await ships.read(id))?.value
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

/** It is on that host, or may still come to it. */
function isThere(ship: Ship, attempt: number, host: string): boolean {
  return ship.attempt === attempt && !isFinished(ship.state) && (ship.host === null || ship.host === host)
}

/** Another host, or the same with other ports, has claimed this attempt. */
function isElsewhere(ship: Ship, attempt: number, host: string, ports: Port[] = ship.ports): boolean {
  if (ship.attempt !== attempt || !isAboard(ship.state) || ship.state === 'Scheduled') return false
  return ship.host !== host || hostPortsOf({ ports }).join() !== hostPortsOf(ship).join()
}

/** Its ticket can be dropped: a later attempt exists, or the ship needs no host any more. */
function isStale(ship: Ship, attempt: number): boolean {
  return ship.attempt > attempt || ship.state === 'Stopped' || ship.state === 'Failed'
}

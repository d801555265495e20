// From ships that are Queued to their tickets in the scheduler queue.
import type { Ship } from '../../../shared/model/ship.ts'
import { demandOf, type Ticket } from '../../../shared/model/ticket.ts'
import { traced } from '../../../shared/trace.ts'
import type { Stores } from '../../stores/stores.ts'
import { notBeforeMs } from '../changes/backoff.ts'

/** Queues a ticket for every ship that is Queued; passes over the others. */
export async function queueTickets(ships: Iterable<Ship>, { blueprints, dispatch }: Stores): Promise<void> {
  const tickets: Ticket[] = []
  for (const ship of ships) {
    if (ship.state !== 'Queued') continue
    const blueprint = await blueprints.get(ship.blueprint.name, ship.blueprint.revision)
    if (!blueprint) continue // deleted while in use is refused, so this is a ship being deleted
    const { id, attempt, priority, avoidHosts, gang } = ship
    const demand = demandOf(blueprint.spec, ship.fleet, ship.home)
    const together = gang && !gang.alone ? { gang: { id: gang.id, size: gang.size } } : {}
    const rest = { avoidHosts, notBeforeMs: notBeforeMs(ship), ...traced(ship), ...together }
    tickets.push({ ship: id, attempt, priority, demand, ...rest })
  }
  await dispatch.queueTickets(tickets)
}

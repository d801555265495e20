// Who waits for ships of which scaled fleet: requests of `POST /v1/allocations` with `wait`.
import type { Autoscale } from '../../../shared/model/autoscale.ts'
import type { Fleet } from '../../../shared/model/fleet.ts'
import type { Stores } from '../../stores/stores.ts'
import type { Waiter } from '../../stores/waiters.ts'
import { Supply } from './supply.ts'

/**
 * Fleet -> ships that are waited for. Each request counts once: for the first of the fleets whose next ships suit its
 * first selector, else the next one. For whoever no ship of any could serve, none grows.
 */
export async function waitingFor(
  fleets: readonly (Fleet & { autoscale: Autoscale })[],
  { waiters, blueprints, ships }: Pick<Stores, 'waiters' | 'blueprints' | 'ships'>,
): Promise<Map<string, number>> {
  const waiting = new Map<string, number>()
  if (waiters.table.size === 0) return waiting
  const specs = await Promise.all(
    fleets.map(({ blueprint: { name, revision } }) => blueprints.get(name, revision)),
  )
  const supplies = fleets.flatMap((fleet, i) => {
    const spec = specs[i]?.spec
    const itsShips = () => ships.index.ofFleet(fleet.name).map(({ value }) => value)
    return spec ? [new Supply(fleet, spec, itsShips)] : []
  })
  for (const [, { value }] of waiters.inOrder()) {
    const supply = firstOf(value, supplies)
    if (supply) waiting.set(supply.name, (waiting.get(supply.name) ?? 0) + value.count)
  }
  return waiting
}

function firstOf(waiter: Waiter, supplies: readonly Supply[]): Supply | undefined {
  for (const want of waiter.wants) {
    const found = supplies.find((supply) => supply.suits(want) && supply.mayServe(waiter))
    if (found) return found
  }
  return undefined
}

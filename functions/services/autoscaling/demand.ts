// Who waits for ships of which scaled fleet: requests of `POST /v1/allocations` with `wait`.
import type { Autoscale } from '../../../shared/model/autoscale.ts'
import type { Fleet } from '../../../shared/model/fleet.ts'
import type { Stores } from '../../stores/stores.ts'
import type { Waiter } from '../../stores/waiters.ts'
import { Supply } from './supply.ts'

/**
 * Fleet -> ships that are waited for. Each request counts once, and those who can share a ship order one together: for
 * the first of the fleets whose next ships suit its first selector, as long as that may have more, else for the next one.
 * What none of them may have more for is told of the first. For whoever no ship of any could serve, none grows.
 */
export async function waitingFor(
  fleets: readonly (Fleet & { autoscale: Autoscale })[],
  { waiters, blueprints, ships }: Pick<Stores, 'waiters' | 'blueprints' | 'ships'>,
): Promise<Map<string, number>> {
  if (waiters.table.size === 0) return new Map()
  const specs = await Promise.all(
    fleets.map(({ blueprint: { name, revision } }) => blueprints.get(name, revision)),
  )
  const supplies = fleets.flatMap((fleet, i) => {
    const spec = specs[i]?.spec
    const itsShips = () => ships.index.ofFleet(fleet.name).map(({ value }) => value)
    return spec ? [new Supply(fleet, spec, itsShips)] : []
  })
  for (const [, { value }] of waiters.inOrder()) order(value, supplies)
  return new Map(supplies.flatMap(({ name, ordered }) => (ordered > 0 ? [[name, ordered]] : [])))
}

function order({ wants, count }: Waiter, supplies: readonly Supply[]): void {
  let missing = count
  let first: Supply | undefined
  for (const want of wants) {
    for (const supply of supplies) {
      if (!supply.suits(want) || !supply.mayServe({ wants, count })) continue
      first ??= supply
      missing -= supply.order(missing, wants)
      if (missing === 0) return
    }
  }
  first?.orderBeyond(missing, wants)
}

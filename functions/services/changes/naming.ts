// Names of ships in fleets that number them: which are free, lowest first.
//
// INVARIANT: a ship has its name until it has ended, Stopping and Lost ones too: what runs under a name may still run.
import type { Fleet } from '../../../shared/model/fleet.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import { isFinished } from '../../../shared/model/shipState.ts'

/** Free names of the fleet, the lowest numbers first; undefined when its ships have none. */
export function freeNames(
  { name, naming, replicas }: Pick<Fleet, 'name' | 'naming' | 'replicas'>,
  ships: Iterable<Pick<Ship, 'name' | 'state'>>,
): string[] | undefined {
  if (naming !== 'ordinal') return undefined
  const taken = new Set<string | undefined>()
  for (const ship of ships) if (!isFinished(ship.state)) taken.add(ship.name)
  return Array.from({ length: replicas }, (_, i) => `${name}-${i + 1}`).filter((one) => !taken.has(one))
}

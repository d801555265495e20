// Ships that have been Unhealthy for longer than their blueprint allows, as many as may be given up now.
import { usualUnhealthy } from '../../../shared/model/lifecycle.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import type { Row } from '../../stores/mirror/table.ts'
import type { Stores } from '../../stores/stores.ts'
import { aShareOf, mayBeMissing } from './elders.ts'

/**
 * Those first that have been so for longest. Of a fleet a tenth at a time, those counted that are on their way: should
 * all be Unhealthy at once, something else is the matter, and some may get well meanwhile.
 */
export async function unwell({
  ships,
  blueprints,
}: Pick<Stores, 'ships' | 'blueprints'>): Promise<Row<Ship>[]> {
  const nowMs = Date.now()
  const due: Row<Ship>[] = []
  for (const row of ships.index.inState('Unhealthy')) {
    const { blueprint, stateSince, wasInUse } = row.value
    const spec = (await blueprints.get(blueprint.name, blueprint.revision))?.spec
    if (!spec) continue
    const { policy, afterMs } = spec.lifecycle.unhealthy ?? usualUnhealthy
    const isSpared = policy === 'wait' || (policy === 'endIdle' && wasInUse)
    if (!isSpared && nowMs - Date.parse(stateSince) > afterMs) due.push(row)
  }
  due.sort((a, b) => a.value.stateSince.localeCompare(b.value.stateSince))
  return aShareOf(due, (fleet) => {
    const { Ready = 0, Unhealthy = 0, ...others } = ships.index.countsOfFleet(fleet)
    return mayBeMissing({ ...others, Ready: Ready + Unhealthy })
  })
}

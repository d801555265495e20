// Who waits for ships of which scaled fleet: requests of `POST /v1/allocations` with `wait`.
import type { Want } from '../../../shared/model/allocation.ts'
import type { Fleet } from '../../../shared/model/fleet.ts'
import { selects } from '../../../shared/model/labelSelector.ts'
import type { Labels } from '../../../shared/model/name.ts'
import type { Stores } from '../../stores/stores.ts'
import { sees } from '../allocations/lanes.ts'

interface Supply {
  name: string
  /** Of its next ships. */
  labels: Labels
}

/**
 * Fleet -> ships that are waited for. Each request counts once: for the first of the fleets whose next ships suit its
 * first selector, else the next one.
 */
export async function waitingFor(
  fleets: readonly Fleet[],
  { waiters, blueprints }: Pick<Stores, 'waiters' | 'blueprints'>,
): Promise<Map<string, number>> {
  const waiting = new Map<string, number>()
  if (waiters.table.size === 0) return waiting
  const supplies: Supply[] = await Promise.all(
    fleets.map(async ({ name, labels, blueprint }) => {
      const spec = (await blueprints.get(blueprint.name, blueprint.revision))?.spec
      return { name, labels: { ...spec?.labels, ...labels } }
    }),
  )
  for (const [, { value }] of waiters.inOrder()) {
    const supply = firstOf(value.wants, supplies)
    if (supply) waiting.set(supply.name, (waiting.get(supply.name) ?? 0) + value.count)
  }
  return waiting
}

function firstOf(wants: readonly Want[], supplies: readonly Supply[]): Supply | undefined {
  for (const want of wants) {
    const found = supplies.find((supply) => suits(want, supply))
    if (found) return found
  }
  return undefined
}

/** Whether new ships are what is wanted: what they will count and list is not looked at. */
function suits({ selector, fleets }: Want, { name, labels }: Supply): boolean {
  const { fleet, matchLabels, matchExpressions, state } = selector
  return (
    state === 'Ready' &&
    (fleet === undefined || fleet === name) &&
    sees(fleets, name) &&
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    (matchExpressions.length === 0 || selects(matchExpressions, labels))
  )
}

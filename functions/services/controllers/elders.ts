// Elders: Ready ships that are older than their blueprint allows, as many as may be ended now.
import type { Ship } from '../../../shared/model/ship.ts'
import { isInUse, isLive, liveOf, type ShipState } from '../../../shared/model/shipState.ts'
import type { Row } from '../../stores/mirror/table.ts'
import type { Stores } from '../../stores/stores.ts'

/** Part of a fleet that may be missing for the sake of age, one ship at least. */
const share = 0.1

/** Oldest first. Of a fleet no more than may be missing, those counted that are not ready yet or any more. */
export async function elders({
  ships,
  blueprints,
}: Pick<Stores, 'ships' | 'blueprints'>): Promise<Row<Ship>[]> {
  const bornBefore = new Map<string, string | undefined>()
  const old: Row<Ship>[] = []
  for (const row of ships.index.inState('Ready')) {
    const { blueprint, readyAt } = row.value
    const key = `${blueprint.name} ${blueprint.revision}`
    if (!bornBefore.has(key)) {
      const maxAgeMs = (await blueprints.get(blueprint.name, blueprint.revision))?.spec.lifecycle.maxAgeMs
      bornBefore.set(key, (maxAgeMs && new Date(Date.now() - maxAgeMs).toISOString()) || undefined)
    }
    const limit = bornBefore.get(key)
    if (limit !== undefined && readyAt !== null && readyAt < limit) old.push(row)
  }
  old.sort((a, b) => (a.value.readyAt ?? '').localeCompare(b.value.readyAt ?? ''))
  return aShareOf(old, (fleet) => mayBeMissing(ships.index.countsOfFleet(fleet)))
}

/** The first ones of each fleet, as many as there is room for, and all that stand alone. */
export function aShareOf(rows: readonly Row<Ship>[], roomOf: (fleet: string) => number): Row<Ship>[] {
  const room = new Map<string, number>()
  return rows.filter(({ value: { fleet } }) => {
    if (fleet === null) return true
    const left = room.get(fleet) ?? roomOf(fleet)
    room.set(fleet, left - 1)
    return left > 0
  })
}

export function mayBeMissing(counts: Partial<Record<ShipState, number>>): number {
  const entries = Object.entries(counts) as [ShipState, number][]
  const isMissing = (state: ShipState) =>
    state === 'Stopping' || (isLive(state) && state !== 'Ready' && !isInUse(state))
  const missing = entries.reduce((sum, [state, count]) => sum + (isMissing(state) ? count : 0), 0)
  return Math.max(1, Math.floor(liveOf(counts) * share)) - missing
}

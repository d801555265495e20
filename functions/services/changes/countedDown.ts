// What a ship counts down by itself of what its allocations added: its sessions that are over. Which of them these were
// nobody says; when their allocations end, it is not taken off a second time. Pure.
import type { Allocation } from '../../../shared/model/allocation.ts'
import type { Ship } from '../../../shared/model/ship.ts'

type Amounts = Readonly<Record<string, number>>

/** The record after a change of its counters that is none of an allocation. */
export function recounted(before: Ship, after: Ship): Ship {
  if (before.counters === after.counters || !after.allocations?.length) return after
  const down: Record<string, number> = { ...after.countedDown }
  for (const [name, { count }] of Object.entries(after.counters ?? {}))
    down[name] = (down[name] ?? 0) + (before.counters?.[name]?.count ?? count) - count
  return withCountedDown(after, down)
}

/** Never more than allocations added: what they did not add is the ship's own. */
export function withCountedDown(ship: Ship, down: Amounts): Ship {
  const known = Object.entries(down)
    .map(([name, amount]) => [name, Math.min(amount, addedTo(ship.allocations ?? [], name))] as const)
    .filter(([, amount]) => amount > 0)
  const { countedDown: _, ...others } = ship
  return known.length > 0 ? { ...others, countedDown: Object.fromEntries(known) } : others
}

function addedTo(allocations: readonly Allocation[], name: string): number {
  return allocations.reduce((sum, { undo }) => sum + Math.max(0, undo?.counters?.[name] ?? 0), 0)
}

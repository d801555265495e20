// What the ships of a fleet hold together, for webhooks: as Agones adds up counters and lists in a fleet's status.
import type { Total, Totals } from '../../../shared/api/autoscaling.ts'
import type { Ship } from '../../../shared/model/ship.ts'

/** @param live those of the fleet that have not ended, and do not. */
export function totalsOf(live: readonly Pick<Ship, 'state' | 'counters' | 'lists'>[]): Totals {
  const counters = new Map<string, Total>()
  const lists = new Map<string, Total>()
  for (const ship of live) {
    const inUse = ship.state === 'Allocated'
    for (const [key, { count, capacity }] of Object.entries(ship.counters ?? {}))
      add(counters, key, count, capacity, inUse)
    for (const [key, { values, capacity }] of Object.entries(ship.lists ?? {}))
      add(lists, key, values.length, capacity, inUse)
  }
  return { counters: Object.fromEntries(counters), lists: Object.fromEntries(lists) }
}

function add(totals: Map<string, Total>, key: string, count: number, capacity: number, inUse: boolean): void {
  const before = totals.get(key) ?? { allocatedCount: 0, allocatedCapacity: 0, count: 0, capacity: 0 }
  totals.set(key, {
    allocatedCount: before.allocatedCount + (inUse ? count : 0),
    allocatedCapacity: before.allocatedCapacity + (inUse ? capacity : 0),
    count: before.count + count,
    capacity: before.capacity + capacity,
  })
}

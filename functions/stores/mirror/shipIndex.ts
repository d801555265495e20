// Ships of the mirror by fleet, by host and by state, kept up with every change.
import type { Ship } from '../../../shared/model/ship.ts'
import { isAboard, type ShipState } from '../../../shared/model/shipState.ts'
import type { Row, Table } from './table.ts'

type Counts = Partial<Record<ShipState, number>>

export class ShipIndex {
  #table: Table<Ship>
  #byFleet = new Map<string, Set<string>>()
  #byHost = new Map<string, Set<string>>()
  #byState = new Map<ShipState, Set<string>>()
  #fleetCounts = new Map<string, Counts>()

  constructor(table: Table<Ship>) {
    this.#table = table
    table.onChange((id, after, before) => {
      if (before) this.#count(id, before.value, -1)
      if (after) this.#count(id, after.value, 1)
    })
  }

  ofFleet(fleet: string): Row<Ship>[] {
    return this.#rows(this.#byFleet.get(fleet))
  }

  ofHost(host: string): Row<Ship>[] {
    return this.#rows(this.#byHost.get(host))
  }

  /** Hosts that ships are aboard of. */
  crewedHosts(): string[] {
    const isCrewed = (id: string) => isAboard(this.#table.get(id)?.value.state ?? 'Stopped')
    return [...this.#byHost].filter(([, ids]) => [...ids].some(isCrewed)).map(([host]) => host)
  }

  inState(state: ShipState): Row<Ship>[] {
    return this.#rows(this.#byState.get(state))
  }

  counts(): Counts {
    const counts: Counts = {}
    for (const [state, ids] of this.#byState) counts[state] = ids.size
    return counts
  }

  countsOfFleet(fleet: string): Counts {
    return { ...this.#fleetCounts.get(fleet) }
  }

  /** Counts of every fleet that has ships. */
  countsByFleet(): Iterable<[string, Readonly<Counts>]> {
    return this.#fleetCounts
  }

  #rows(ids: Set<string> | undefined): Row<Ship>[] {
    const rows: Row<Ship>[] = []
    for (const id of ids ?? []) {
      const row = this.#table.get(id)
      if (row) rows.push(row)
    }
    return rows
  }

  #count(id: string, ship: Ship, by: 1 | -1): void {
    place(this.#byState, ship.state, id, by)
    if (ship.host) place(this.#byHost, ship.host, id, by)
    if (!ship.fleet) return
    place(this.#byFleet, ship.fleet, id, by)
    const counts = this.#fleetCounts.get(ship.fleet) ?? {}
    const count = (counts[ship.state] ?? 0) + by
    if (count > 0) counts[ship.state] = count
    else delete counts[ship.state]
    this.#fleetCounts.set(ship.fleet, counts)
    if (Object.keys(counts).length === 0) this.#fleetCounts.delete(ship.fleet)
  }
}

function place<K>(index: Map<K, Set<string>>, key: K, id: string, by: 1 | -1): void {
  const ids = index.get(key) ?? new Set()
  if (by > 0) ids.add(id)
  else ids.delete(id)
  if (ids.size > 0) index.set(key, ids)
  else index.delete(key)
}

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
    table.onChange((id, rowAfter, rowBefore) => {
      const [after, before] = [rowAfter?.value, rowBefore?.value]
      move(this.#byState, id, before?.state, after?.state)
      move(this.#byHost, id, before?.host, after?.host)
      move(this.#byFleet, id, before?.fleet, after?.fleet)
      if (before?.state === after?.state && before?.fleet === after?.fleet) return
      if (before) this.#count(before, -1)
      if (after) this.#count(after, 1)
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

  /** Those of the fleet, or in the state, one by one, as they are when their turn comes. */
  *walk({ fleet, state }: { fleet: string | undefined; state: ShipState }): Generator<Row<Ship>> {
    const ids = fleet === undefined ? this.#byState.get(state) : this.#byFleet.get(fleet)
    for (const id of ids ?? []) {
      const row = this.#table.get(id)
      if (row) yield row
    }
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

  #count({ state, fleet }: Ship, by: 1 | -1): void {
    if (fleet === null) return
    const counts = this.#fleetCounts.get(fleet) ?? {}
    const count = (counts[state] ?? 0) + by
    if (count > 0) counts[state] = count
    else delete counts[state]
    this.#fleetCounts.set(fleet, counts)
    if (Object.keys(counts).length === 0) this.#fleetCounts.delete(fleet)
  }
}

/** Most changes of a ship leave it where it is in most indexes. */
function move<K>(
  index: Map<K, Set<string>>,
  id: string,
  from: K | null | undefined,
  to: K | null | undefined,
) {
  if (from === to) return
  const left = from == null ? undefined : index.get(from)
  if (left?.delete(id) && left.size === 0) index.delete(from as K)
  if (to == null) return
  const joined = index.get(to)
  if (joined) joined.add(id)
  else index.set(to, new Set([id]))
}

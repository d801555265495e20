// What the ships of the mirror ask for, by fleet and by the token that made them, kept up with every change.
import type { Use } from '../../../shared/model/quota.ts'
import { heldBy } from '../../../shared/model/resize.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import { isFinished } from '../../../shared/model/shipState.ts'
import type { Table } from './table.ts'

export const noUse: Readonly<Use> = Object.freeze({ ships: 0, cpuMillis: 0, memoryMiB: 0 })

export function plus(a: Readonly<Use>, b: Readonly<Use>, times = 1): Use {
  return {
    ships: a.ships + times * b.ships,
    cpuMillis: a.cpuMillis + times * b.cpuMillis,
    memoryMiB: a.memoryMiB + times * b.memoryMiB,
  }
}

export class UseIndex {
  #byFleet = new Map<string, Use>()
  #byMaker = new Map<string, Use>()

  constructor(table: Table<Ship>) {
    table.onChange((_, after, before) => {
      if (before && after && isSame(before.value, after.value)) return
      if (before) this.#count(before.value, -1)
      if (after) this.#count(after.value, 1)
    })
  }

  /** Of ships that were made with the token, those of its fleets included. */
  ofMaker(token: string): Readonly<Use> {
    return this.#byMaker.get(token) ?? noUse
  }

  /** Of every fleet that has ships which have not ended. */
  byFleet(): Iterable<[string, Readonly<Use>]> {
    return this.#byFleet
  }

  #count(ship: Ship, by: 1 | -1): void {
    const { state, fleet, createdBy } = ship
    if (isFinished(state)) return
    const { cpuMillis, memoryMiB } = heldBy(ship)
    const use = { ships: 1, cpuMillis, memoryMiB }
    if (fleet !== null) addTo(this.#byFleet, fleet, use, by)
    if (createdBy !== undefined) addTo(this.#byMaker, createdBy, use, by)
  }
}

function addTo(totals: Map<string, Use>, name: string, use: Use, by: 1 | -1): void {
  const total = plus(totals.get(name) ?? noUse, use, by)
  if (total.ships > 0) totals.set(name, total)
  else totals.delete(name)
}

/** Of most changes of a ship. */
function isSame(before: Ship, after: Ship): boolean {
  const [a, b] = [heldBy(before), heldBy(after)]
  return (
    isFinished(before.state) === isFinished(after.state) &&
    before.fleet === after.fleet &&
    before.createdBy === after.createdBy &&
    a.cpuMillis === b.cpuMillis &&
    a.memoryMiB === b.memoryMiB
  )
}

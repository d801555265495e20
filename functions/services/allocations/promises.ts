// Promises: which ships are for whom of those who wait. Pure, so that every ApiServer finds the same.
//
// INVARIANTS
// - Whoever came first is first.
// - Whoever wants several ships is promised all of them or none: from what he cannot use he keeps nobody.
import type { Want } from '../../../shared/model/allocation.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import { allocate } from '../changes/allocating.ts'
import { suits } from './lanes.ts'
import { withOwnValues } from './likeness.ts'

/** Ship -> the names of those for whom it is; nobody else may have it meanwhile. */
export type Promises = ReadonlyMap<string, ReadonlySet<string>>

export interface Waiting {
  name: string
  /** The same object for all who want the same. */
  wants: readonly Want[]
  count: number
}

export interface Offer {
  ship: Ship
  /** It is to be had since just now; what is not new has been left by everybody. */
  isNew: boolean
}

/** @param waiting in the order in which they came. */
export function promisesTo(waiting: readonly Waiting[], offers: readonly Offer[]): Promises {
  const promises = new Map<string, Set<string>>()
  // As they are once those before have taken what is theirs.
  const ships = new Map(offers.map(({ ship }) => [ship.id, ship]))
  const isNew = new Set(offers.flatMap((offer) => (offer.isNew ? [offer.ship.id] : [])))
  const ids = [...ships.keys()].sort(
    (a, b) => Number(isNew.has(b)) - Number(isNew.has(a)) || (a < b ? -1 : 1),
  )
  const inVain = new Set<Want>()
  for (const { name, wants, count } of waiting) {
    const seats = new Map<string, Ship>()
    for (const want of wants) {
      if (seats.size === count || inVain.has(want)) continue
      for (const id of ids) {
        if (seats.size === count) break
        const seat = seats.has(id) ? undefined : seated(want, ships.get(id) as Ship, name)
        if (seat) seats.set(id, seat)
      }
      if (seats.size === 0) inVain.add(want)
    }
    if (seats.size < count || ![...seats.keys()].some((id) => isNew.has(id))) continue
    for (const [id, seat] of seats) {
      ships.set(id, seat)
      promises.set(id, (promises.get(id) ?? new Set()).add(name))
    }
    // A ship that was Ready may have room from its first session on.
    inVain.clear()
  }
  return promises
}

/** The ship once somebody has taken it who wants it so; undefined: he cannot. His labels, annotations and values are not known. */
export function seated(want: Want, ship: Ship, name = ''): Ship | undefined {
  if (!suits(want, ship)) return undefined
  const { counters, reserve } = want
  const lists = withOwnValues(want.lists, name)
  const gift = { labels: {}, annotations: {}, counters, lists, reserve }
  const after = allocate(ship, { suffix: name, by: name, leaseMs: null, gift }, Date.now())
  return after instanceof Error ? undefined : after
}

export function isFor(promises: Promises, name: string | undefined) {
  return ({ id }: Ship): boolean => {
    const names = promises.get(id)
    return names === undefined || (name !== undefined && names.has(name))
  }
}

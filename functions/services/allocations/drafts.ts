// Drafts: what one commit is to do, put together request by request. Pure but for the lanes, whose ships it uses up.

import type { AllocationView, Want } from '../../../shared/model/allocation.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import { mostDataBytes } from '../../../shared/model/shipData.ts'
import { covers } from '../../../shared/model/token.ts'
import { type Deal, mostBytes, mostDeals, mostInDeal } from '../../stores/allocations.ts'
import type { Asked } from '../../stores/answers.ts'
import type { Row } from '../../stores/mirror/table.ts'
import { allocate, allocationId, mismatch, overfills, type Taking, viewOf } from '../changes/allocating.ts'
import { thereBefore } from '../changes/firstPlayer.ts'
import type { Lanes } from './lanes.ts'

export interface Ask {
  /** In their order: ships of the second are taken only when the first has none. */
  wants: readonly Want[]
  count: number
  taking: Taking
  /** When it came with an Idempotency-Key. */
  asked?: Asked | undefined
  /** Further keys that go with it. */
  drop?: readonly string[]
}

/** Several requests for room on one ship, or one request for several ships. */
export interface Draft<P> {
  ships: Map<string, { before: Row<Ship>; after: Ship }>
  parts: { of: P; views: AllocationView[] }[]
}

/** later: something of this commit is in its way, so that only the next one can tell. */
export type Drafted = 'done' | 'none' | 'later'

export class Drafts<P extends Ask> {
  readonly all: Draft<P>[] = []
  readonly #lanes: Lanes
  readonly #byShip = new Map<string, Draft<P>>()
  readonly #keys = new Set<string>()
  readonly #nowMs = Date.now()
  #bytes = 0
  #isFull = false

  constructor(lanes: Lanes) {
    this.#lanes = lanes
  }

  /**
   * @param sure nothing that was acknowledged before the request came is missing in memory: only then `none` is true.
   * @param mayTake which ships it may have; default: all.
   */
  add(ask: P, sure: boolean, mayTake: (ship: Ship) => boolean = () => true): Drafted {
    const key = ask.asked?.scope
    const full = this.#isFull || this.all.length >= mostDeals
    if (full || (key !== undefined && this.#keys.has(key))) return 'later'
    const drafted = ask.count === 1 ? this.#one(ask, sure, mayTake) : this.#many(ask, sure, mayTake)
    if (drafted === 'done' && key !== undefined) this.#keys.add(key)
    // What others of this commit have drafted is free again if they turn out to be answered already.
    return drafted === 'none' && this.all.length > 0 ? 'later' : drafted
  }

  #one(ask: P, sure: boolean, mayTake: (ship: Ship) => boolean): Drafted {
    for (const want of ask.wants) {
      const found = this.#choose(ask, want, sure, mayTake)
      if (found === 'later') return 'later'
      if (!found) continue
      const { before, after } = found
      const draft = this.#byShip.get(after.id)
      const replaced = draft?.ships.get(after.id)?.after
      const bytes = bytesOf(after) + answerBytesOf(after, ask) - (replaced ? bytesOf(replaced) : 0)
      if (!this.#fits(bytes, [after.id])) return 'later'
      const views = [this.#viewOf(after, ask)]
      if (draft) {
        draft.ships.set(after.id, { before, after })
        draft.parts.push({ of: ask, views })
      } else {
        this.#begin({ ships: new Map([[after.id, { before, after }]]), parts: [{ of: ask, views }] })
      }
      return 'done'
    }
    return 'none'
  }

  #many(ask: P, sure: boolean, mayTake: (ship: Ship) => boolean): Drafted {
    const ships: Draft<P>['ships'] = new Map()
    for (const want of ask.wants) {
      const untaken = (ship: Ship) => mayTake(ship) && !ships.has(ship.id) && !this.#byShip.has(ship.id)
      while (ships.size < ask.count) {
        const found = this.#choose(ask, want, sure, untaken)
        if (!found || found === 'later') break
        ships.set(found.after.id, found)
      }
    }
    if (ships.size < ask.count) {
      this.#lanes.again([...ships.keys()])
      return 'none'
    }
    let bytes = 0
    for (const { after } of ships.values()) bytes += bytesOf(after) + answerBytesOf(after, ask)
    if (!this.#fits(bytes, [...ships.keys()])) return 'later'
    const views = [...ships.values()].map(({ after }) => this.#viewOf(after, ask))
    this.#begin({ ships, parts: [{ of: ask, views }] })
    return 'done'
  }

  #begin(draft: Draft<P>): void {
    this.all.push(draft)
    for (const id of draft.ships.keys()) this.#byShip.set(id, draft)
  }

  /** Whether so much may go into this commit; if not, the ships are free again. What is too much by itself goes alone. */
  #fits(bytes: number, ships: readonly string[]): boolean {
    this.#isFull = this.all.length > 0 && this.#bytes + bytes > mostBytes
    if (this.#isFull) this.#lanes.again(ships)
    else this.#bytes += bytes
    return !this.#isFull
  }

  #choose(ask: P, want: Want, sure: boolean, mayTake: (ship: Ship) => boolean) {
    const isRoom = want.selector.state === 'Allocated'
    const lane = this.#lanes.lane(want)
    const passed: string[] = []
    try {
      for (let anew = sure; ; ) {
        const id = lane.peek()
        if (id === undefined) {
          if (!anew) break
          anew = false
          lane.complete()
          continue
        }
        const taken = this.#take(ask, want, id)
        if (taken === 'later') return 'later'
        if (typeof taken === 'object' && mayTake(taken.after)) {
          lane.used(taken)
          return taken
        }
        lane.drop()
        // It may suit another request of the same lane.
        if (taken !== 'unfit') passed.push(id)
      }
      // What was Ready until this commit has room from its first session on.
      for (const [id, { parts }] of isRoom ? this.#byShip : []) {
        if (parts.length >= mostInDeal) return 'later'
        const taken = this.#take(ask, want, id)
        if (typeof taken === 'object' && mayTake(taken.after)) return taken
      }
      return undefined
    } finally {
      if (passed.length > 0) lane.back(passed)
    }
  }

  /** unfit: for all who want the same, until its record changes; passed: for this request only. */
  #take(ask: P, want: Want, id: string): { before: Row<Ship>; after: Ship } | 'unfit' | 'passed' | 'later' {
    const draft = this.#byShip.get(id)
    const row = this.#lanes.row(id)
    const ship = draft?.ships.get(id)?.after ?? row?.value
    if (!row || !ship || !covers(want.fleets, ship.fleet)) return 'unfit'
    if (want.selector.fleet !== undefined && ship.fleet !== want.selector.fleet) return 'unfit'
    if (mismatch(want.selector, ship) !== undefined) return draft ? 'passed' : 'unfit'
    // Whoever is on the list already needs no room.
    if (overfills(ship, ask.taking.gift)) return 'passed'
    if (this.#lanes.tierOf(ship) === undefined) return draft ? 'passed' : 'unfit'
    if (draft && (draft.ships.size > 1 || ask.count > 1 || draft.parts.length >= mostInDeal / 2))
      return 'later'
    const isLeased = ask.taking.leaseMs !== null
    const there = isLeased ? thereBefore(ship, this.#lanes.playersOn(id), this.#nowMs) : undefined
    const after = allocate(ship, ask.taking, this.#nowMs, there)
    if (after instanceof Error) return after.code === 'RESOURCE_EXHAUSTED' || draft ? 'passed' : 'unfit'
    return { before: draft?.ships.get(id)?.before ?? row, after }
  }

  #viewOf(ship: Ship, { taking }: P): AllocationView {
    const id = allocationId(ship.id, taking.suffix)
    const allocation = ship.allocations?.find((one) => one.id === id)
    if (!allocation) throw new Error(`${id} is not on its ship`)
    return viewOf(ship, allocation)
  }
}

export function dealOf<P extends Ask>({ ships, parts }: Draft<P>): Deal {
  return {
    ships: [...ships.values()],
    answers: parts.flatMap(({ of, views }) =>
      of.asked ? [{ asked: of.asked, text: JSON.stringify(views) }] : [],
    ),
    drop: parts.flatMap(({ of }) => of.drop ?? []),
  }
}

/** About as long as its record; to write it out just for its length would cost as much as to send it. */
function bytesOf(ship: Ship): number {
  const { history = [], allocations = [] } = ship
  const rest = allocations.length > 8 ? mostDataBytes : 1_000
  return 1_000 + 300 * history.length + Math.min(mostDataBytes, rest + textBytesOf(ship))
}

/** What its key keeps is text within text: what was quoted there is quoted once more. */
function answerBytesOf(ship: Ship, { asked }: Ask): number {
  return asked ? 1_500 + 2 * textBytesOf(ship) : 0
}

/** At most: a character may take six bytes. */
function textBytesOf({ annotations, lists }: Ship): number {
  for (const _ in lists) return mostDataBytes
  let bytes = 0
  for (const key in annotations) bytes += 100 + 6 * (annotations[key]?.length ?? 0)
  return Math.min(mostDataBytes, bytes)
}

// Who waits at this ApiServer, and which ships are for those who wait, here or at others.
//
// A ship that begins to suit somebody who waits, because it is Ready or has room again, is promised to who has waited
// longest, as every ApiServer works out by itself from the same keys. Whoever it is promised to takes it within
// milliseconds; if his ApiServer is dead, it is for anybody after `heldMs`.
import { messageOf } from '../../../shared/errors.ts'
import type { Log } from '../../../shared/log.ts'
import type { Want } from '../../../shared/model/allocation.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import type { Row } from '../../stores/mirror/table.ts'
import type { Stores } from '../../stores/stores.ts'
import type { Lanes } from './lanes.ts'
import { type Promises, promisesTo, seated } from './promises.ts'
import { Wanted } from './wanted.ts'

/** So long a ship is kept for whoever it is promised to. */
export const heldMs = 1_000
/** Many ships that become free within this time wake those who wait only once. */
const gatherMs = 10
const tickMs = 500

export class WaitingRoom<P> {
  readonly #stores: Pick<Stores, 'ships' | 'waiters'>
  readonly #lanes: Lanes
  readonly #log: Log
  readonly #wake: (all: P[]) => void
  /** Name of its key -> the request. */
  readonly #here = new Map<string, P>()
  readonly #wanted: Wanted
  /** Ships that have begun to suit somebody who waits -> when. */
  readonly #suiting = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined
  #dueMs = 0

  constructor(stores: Pick<Stores, 'ships' | 'waiters'>, lanes: Lanes, log: Log, wake: (all: P[]) => void) {
    this.#stores = stores
    this.#lanes = lanes
    this.#log = log
    this.#wake = wake
    this.#wanted = new Wanted(stores.waiters.table)
    stores.ships.table.onChange((id, after, before) => this.#changed(id, after, before))
    stores.waiters.table.onChange((_, after) => {
      // What was promised to him is another's.
      if (!after && this.#suiting.size > 0) this.#soon(gatherMs)
    })
  }

  get size(): number {
    return this.#stores.waiters.table.size
  }

  /** It waits here until somebody wakes it. */
  add(name: string, of: P): void {
    this.#here.set(name, of)
    // Also without news: its time may be over, and what was promised to others is not held for ever.
    this.#soon(tickMs)
  }

  /** Takes its key away, of which the record of who was served does not speak. */
  leave(name: string): void {
    this.#stores.waiters.remove(name).catch((error) => {
      this.#log.debug({ error: messageOf(error), waiter: name }, 'the key of one who waited goes by itself')
    })
  }

  promises(): Promises {
    if (this.size === 0) this.#suiting.clear()
    if (this.#suiting.size === 0) return new Map()
    const sinceMs = performance.now() - heldMs
    const offers = [...this.#suiting].flatMap(([id, atMs]) => {
      const ship = this.#lanes.row(id)?.value
      return ship && this.#lanes.tierOf(ship) !== undefined ? [{ ship, isNew: atMs >= sinceMs }] : []
    })
    if (!offers.some(({ isNew }) => isNew)) return new Map()
    const waiting = this.#stores.waiters
      .inOrder()
      .map(([name, { value }]) => ({ name, wants: this.#wanted.of(name), count: value.count }))
    return promisesTo(waiting, offers)
  }

  /** Whether ships that somebody wants are for those who wait. */
  keeps(promises: Promises, wants: readonly Want[]): boolean {
    return [...promises.keys()].some((id) => wants.some((want) => this.#lanes.takes(want, id)))
  }

  /** All who wait here, for the last time. */
  empty(): P[] {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const all = [...this.#here.values()]
    this.#here.clear()
    return all
  }

  #changed(id: string, after: Row<Ship> | undefined, before: Row<Ship> | undefined): void {
    if (this.size === 0) return
    const suits = (want: Want, row: Row<Ship> | undefined) => row && seated(want, row.value) !== undefined
    const those = [...this.#wanted.all()].filter((want) => suits(want, after))
    if (those.length === 0) this.#suiting.delete(id)
    if (those.every((want) => suits(want, before))) return
    this.#suiting.set(id, performance.now())
    if (this.#here.size > 0) this.#soon(gatherMs)
  }

  #soon(ms: number): void {
    const dueMs = performance.now() + ms
    if (this.#timer !== undefined && this.#dueMs <= dueMs) return
    clearTimeout(this.#timer)
    this.#dueMs = dueMs
    this.#timer = setTimeout(() => this.#all(), ms).unref()
  }

  /** In the order in which they came. */
  #all(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const revisionOf = (name: string) =>
      this.#stores.waiters.table.get(name)?.revision ?? Number.MAX_SAFE_INTEGER
    const all = [...this.#here].sort(([a], [b]) => revisionOf(a) - revisionOf(b)).map(([, of]) => of)
    this.#here.clear()
    if (all.length > 0) this.#wake(all)
  }
}

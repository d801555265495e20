// Who waits at this ApiServer, and which ships are for those who wait longer at others.
//
// A ship that has just become Ready is promised to who has waited longest of all that it suits, as every ApiServer
// works out by itself from the same keys. Whoever it is promised to takes it within milliseconds; if his ApiServer is
// dead, it is for anybody after `heldMs`.
import { messageOf } from '../../../shared/errors.ts'
import type { Log } from '../../../shared/log.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import type { Stores } from '../../stores/stores.ts'
import type { Lanes } from './lanes.ts'

const heldMs = 1_000
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
  /** Ships that have become Ready -> when. */
  readonly #freed = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined
  #dueMs = 0

  constructor(stores: Pick<Stores, 'ships' | 'waiters'>, lanes: Lanes, log: Log, wake: (all: P[]) => void) {
    this.#stores = stores
    this.#lanes = lanes
    this.#log = log
    this.#wake = wake
    stores.ships.table.onChange((id, after, before) => {
      const state = after?.value.state
      if (state === 'Ready' && before?.value.state !== 'Ready') this.#free(id)
      if (this.#here.size > 0 && (state === 'Ready' || state === 'Allocated')) this.#soon(gatherMs)
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

  /** Ship -> whoever it is promised to. */
  promised(): Map<string, string> {
    const promised = new Map<string, string>()
    const sinceMs = performance.now() - heldMs
    for (const [id, freedMs] of this.#freed) if (freedMs < sinceMs) this.#freed.delete(id)
    if (this.#freed.size === 0 || this.size === 0) return promised
    const free = [...this.#freed.keys()].filter((id) => this.#lanes.row(id)?.value.state === 'Ready').sort()
    for (const [name, { value }] of this.#stores.waiters.inOrder()) {
      if (promised.size === free.length) break
      let count = value.count
      for (const want of value.wants) {
        for (const id of free) {
          if (count === 0) break
          if (promised.has(id) || !this.#lanes.takes(want, id)) continue
          promised.set(id, name)
          count--
        }
      }
    }
    return promised
  }

  /** All who wait here, for the last time. */
  empty(): P[] {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const all = [...this.#here.values()]
    this.#here.clear()
    return all
  }

  #free(id: string): void {
    if (this.size > 0) this.#freed.set(id, performance.now())
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

export function mayTake(promised: ReadonlyMap<string, string>, name: string | undefined) {
  return ({ id }: Ship): boolean => {
    const whose = promised.get(id)
    return whose === undefined || whose === name
  }
}

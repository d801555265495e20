// Pile: the tickets at hand, by demand, each demand's in the order in which they are to be placed. A gang stands by itself.
//
// INVARIANTS
// - One entry a ship: that of its highest attempt. An older one is gone as soon as a newer one is added.
// - Order: priority first, then age, and neither for ever: a point of priority is worth `pointMs` of waiting,
//   so that a ticket which waits is in the end overtaken by nobody.
import type { Explanation } from '../../../shared/model/explanation.ts'
import type { Demand, Ticket } from '../../../shared/model/ticket.ts'
import { Heap } from './heap.ts'
import { type Muster, musterOf } from './muster.ts'

const pointMs = 5_000
/** Keeps those that came in one reading in the order in which they were written. */
const aLittleMs = 1e-6
/** As long as the ApiServer ever asks to wait; more would be a clock that is wrong. */
const longestEarlyMs = 60_000

export interface Entry {
  readonly ticket: Ticket
  /** Lower is placed first. */
  readonly order: number
  /** Not to be placed before. */
  readonly dueMs: number
  /** early: not due yet; waiting: to be placed; taken: being placed; gone: placed, or of no further use. */
  state: 'early' | 'waiting' | 'taken' | 'gone'
}

/** The entries of one equivalence class, or of a gang. */
export interface Group {
  readonly key: string
  /** Of all its entries; of a gang, that of the first one at hand. */
  readonly demand: Demand
  readonly entries: Heap<Entry>
  /** Of a gang, whose entries are placed together. */
  readonly muster: Muster | undefined
  /** Why none of them can be placed, as the full check found at `checkedAtMs`. */
  reason: string | undefined
  why: Explanation | undefined
  checkedAtMs: number
  /** The reason that people were told. */
  saidReason: string | undefined
  /** Entries that have begun to wait since. */
  unsaid: Entry[]
}

export class Pile {
  readonly #byShip = new Map<string, Entry>()
  readonly #groups = new Map<string, Group>()
  readonly #keys = new WeakMap<Demand, string>()
  readonly #early = new Heap<Entry>((entry) => entry.dueMs)
  readonly #onGone: (entry: Entry) => void
  #added = 0

  constructor(onGone: (entry: Entry) => void = () => undefined) {
    this.#onGone = onGone
  }

  /** All entries that are not gone. */
  get size(): number {
    return this.#byShip.size
  }

  get ships(): Iterable<string> {
    return this.#byShip.keys()
  }

  get groups(): Iterable<Group> {
    return this.#groups.values()
  }

  get(ship: string): Entry | undefined {
    return this.#byShip.get(ship)
  }

  /**
   * Returns the entry that now stands for the ticket, or undefined when a later attempt is at hand.
   * @param earlyMs how long it must not be placed yet.
   */
  add(ticket: Ticket, atMs: number, earlyMs = 0): Entry | undefined {
    const held = this.#byShip.get(ticket.ship)
    if (held && held.ticket.attempt > ticket.attempt) return undefined
    if (held && held.ticket.attempt === ticket.attempt) return held
    if (held) this.remove(held)
    const priority = Math.min(100, Math.max(0, ticket.priority))
    const order = atMs - priority * pointMs + this.#added++ * aLittleMs
    const dueMs = atMs + Math.min(longestEarlyMs, earlyMs)
    const entry: Entry = { ticket, order, dueMs, state: 'early' }
    this.#byShip.set(ticket.ship, entry)
    if (dueMs > atMs) this.#early.push(entry)
    else this.#wait(entry)
    return entry
  }

  /** The entry of the group that is to be placed next. */
  next(group: Group): Entry | undefined {
    while (group.entries.first && group.entries.first.state !== 'waiting') group.entries.pop()
    return group.entries.first
  }

  /** Those of a group that cannot be placed to whom its reason is new; from now on it counts as told. */
  untold(group: Group): Entry[] {
    const untold = group.reason === group.saidReason ? group.unsaid : [...group.entries]
    group.saidReason = group.reason
    group.unsaid = []
    return untold.filter((entry) => entry.state === 'waiting')
  }

  /** Takes the group's next entry, to be placed. */
  take(group: Group): void {
    const entry = group.entries.pop()
    if (entry) entry.state = 'taken'
    if (!this.next(group)) this.#groups.delete(group.key)
  }

  /** The entries of the group that are to be placed. */
  waitingOf(group: Group): Entry[] {
    return [...group.entries].filter((entry) => entry.state === 'waiting')
  }

  /** Takes all of a group's entries, to be placed. */
  takeAll(group: Group): void {
    while (this.next(group)) this.take(group)
  }

  /** An entry that was taken could not be placed after all. */
  giveBack(entry: Entry): void {
    if (entry.state === 'taken') this.#wait(entry)
  }

  /** Lets those wait to be placed whose time has come. False when there are none. */
  ripen(nowMs: number): boolean {
    let any = false
    while (this.#early.first && this.#early.first.dueMs <= nowMs) {
      const entry = this.#early.pop()
      if (entry?.state !== 'early') continue
      this.#wait(entry)
      any = true
    }
    return any
  }

  /** When the next early entry is due. */
  get nextDueMs(): number | undefined {
    return this.#early.first?.dueMs
  }

  /** The entry is placed, or of no further use. */
  remove(entry: Entry): void {
    if (entry.state === 'gone') return
    entry.state = 'gone'
    if (this.#byShip.get(entry.ticket.ship) === entry) this.#byShip.delete(entry.ticket.ship)
    const group = this.#groups.get(this.#keyOf(entry.ticket))
    if (group && !this.next(group)) this.#groups.delete(group.key)
    this.#onGone(entry)
  }

  #wait(entry: Entry): void {
    entry.state = 'waiting'
    const group = this.#groupOf(entry.ticket)
    group.entries.push(entry)
    group.unsaid.push(entry)
  }

  #groupOf(ticket: Ticket): Group {
    const { demand, gang } = ticket
    const key = this.#keyOf(ticket)
    const known = this.#groups.get(key)
    if (known) return known
    const entries = new Heap<Entry>((entry) => entry.order)
    const unchecked = { reason: undefined, why: undefined, checkedAtMs: Number.NEGATIVE_INFINITY }
    const untold = { saidReason: undefined, unsaid: [] }
    const muster = gang && musterOf(gang)
    const group: Group = { key, demand, entries, muster, ...unchecked, ...untold }
    this.#groups.set(key, group)
    return group
  }

  #keyOf({ demand, gang }: Ticket): string {
    return gang ? `gang ${gang.id}` : this.demandKey(demand)
  }

  /** Equal for demands that are equal. */
  demandKey(demand: Demand): string {
    const known = this.#keys.get(demand)
    if (known !== undefined) return known
    const key = JSON.stringify(demand)
    this.#keys.set(demand, key)
    return key
  }
}

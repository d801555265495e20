// Board: all hosts with what is left of them, the picture that decisions are made from.
//
// INVARIANTS
// - What is left of a host = its capacity - its holdings (from its Advice) - what was assumed and not yet seen.
// - A ship is assumed on one host at most. The assumption ends when any Advice shows that attempt or a later
//   one, when it is dropped, or when it expires.
// - Every change of a host is noted in the change log; nothing changes while a decision is being made but by it.
import type { Holding } from '../../../shared/model/holding.ts'
import { Assumptions } from './assumptions.ts'
import { ChangeLog } from './changeLog.ts'
import { type HostPicture, HostRow } from './hostRow.ts'
import { Stock } from './stock.ts'

type Holdings = ReadonlyMap<string, Holding>

export class Board {
  readonly changes = new ChangeLog()
  readonly stock = new Stock()
  readonly #seed: number
  readonly #rows: (HostRow | undefined)[] = []
  readonly #vacant: number[] = []
  readonly #byId = new Map<string, HostRow>()
  readonly #seen = new Map<string, Holdings>()
  readonly #seenOn = new Map<string, string>()
  readonly #assumptions = new Assumptions()

  /** @param seed varies where the search for ports begins, so that a new leader does not repeat the last one. */
  constructor(seed = 0) {
    this.#seed = seed
  }

  /** Hosts by slot; slots of hosts that left are empty until others take them. */
  get rows(): readonly (HostRow | undefined)[] {
    return this.#rows
  }

  get size(): number {
    return this.#byId.size
  }

  host(id: string): HostRow | undefined {
    return this.#byId.get(id)
  }

  /** A host came, or is described anew. */
  put(picture: HostPicture): void {
    const { id } = picture.description
    const before = this.#byId.get(id)
    if (before) this.#clear(before)
    const slot = before?.slot ?? this.#vacant.pop() ?? this.#rows.length
    const row = new HostRow(slot, picture, this.stock, this.#seed + hash(id))
    this.#rows[slot] = row
    this.#byId.set(id, row)
    for (const holding of this.#seen.get(id)?.values() ?? []) row.add(holding)
    for (const holding of this.#assumptions.on(id)) row.add(holding)
    this.changes.note(slot)
  }

  /** A host left. What was assumed on it counts again should it come back. */
  remove(id: string): void {
    const row = this.#byId.get(id)
    if (!row) return
    this.#clear(row)
    for (const ship of this.#seen.get(id)?.keys() ?? []) {
      if (this.#seenOn.get(ship) === id) this.#seenOn.delete(ship)
    }
    this.#byId.delete(id)
    this.#seen.delete(id)
    this.#rows[row.slot] = undefined
    this.#vacant.push(row.slot)
    this.changes.note(row.slot)
  }

  /** The host's Advice shows exactly these ships on it. */
  see(id: string, holdings: readonly Holding[]): void {
    const before = this.#seen.get(id) ?? new Map<string, Holding>()
    const now = new Map(holdings.map((holding) => [holding.ship, holding]))
    this.#seen.set(id, now)
    const row = this.#byId.get(id)
    let changed = false
    for (const [ship, old] of before) {
      if (same(old, now.get(ship))) continue
      changed = true
      row?.remove(old)
      if (this.#seenOn.get(ship) === id) this.#seenOn.delete(ship)
    }
    for (const [ship, holding] of now) {
      if (!same(holding, before.get(ship))) {
        changed = true
        row?.add(holding)
      }
      this.#seenOn.set(ship, id)
      const assumed = this.#assumptions.get(ship)
      if (assumed && assumed.holding.attempt <= holding.attempt) this.drop(ship)
    }
    if (row && changed) this.changes.note(row.slot)
  }

  /** A ship was put on a host, whose port numbers were taken while they were chosen. */
  assume(row: HostRow, holding: Holding, atMs: number): void {
    this.drop(holding.ship)
    row.add(holding, true)
    this.#assumptions.put(row.id, holding, atMs)
    this.changes.note(row.slot)
  }

  /** Ends an assumption, unless it is of a later attempt. */
  drop(ship: string, attempt = Number.POSITIVE_INFINITY): void {
    const assumed = this.#assumptions.get(ship)
    if (!assumed || assumed.holding.attempt > attempt) return
    this.#assumptions.delete(assumed)
    const row = this.#byId.get(assumed.host)
    if (!row) return
    row.remove(assumed.holding)
    this.changes.note(row.slot)
  }

  /** Ends the assumptions made at `atMs` or before. */
  expire(atMs: number): void {
    for (const ship of this.#assumptions.until(atMs)) this.drop(ship)
  }

  get oldestAssumptionAtMs(): number | undefined {
    return this.#assumptions.oldestAtMs
  }

  /** The attempt of a ship that is known to have a host; 0 when there is none. */
  attemptOf(ship: string): number {
    const seen = this.#seen.get(this.#seenOn.get(ship) ?? '')?.get(ship)?.attempt ?? 0
    return Math.max(seen, this.#assumptions.get(ship)?.holding.attempt ?? 0)
  }

  /** Takes everything off a row that is about to leave. */
  #clear(row: HostRow): void {
    for (const holding of this.#seen.get(row.id)?.values() ?? []) row.remove(holding)
    for (const holding of this.#assumptions.on(row.id)) row.remove(holding)
    row.leave()
  }
}

function same(a: Holding, b: Holding | undefined): boolean {
  return (
    b !== undefined &&
    a.attempt === b.attempt &&
    a.fleet === b.fleet &&
    a.resources.cpuMillis === b.resources.cpuMillis &&
    a.resources.memoryMiB === b.resources.memoryMiB &&
    a.hostPorts.join() === b.hostPorts.join()
  )
}

/** FNV-1a: small, even, and the same in every process. */
function hash(text: string): number {
  let sum = 0x811c9dc5
  for (let i = 0; i < text.length; i++) sum = Math.imul(sum ^ text.charCodeAt(i), 0x01000193)
  return sum >>> 0
}

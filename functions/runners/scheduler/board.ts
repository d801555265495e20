// Board: all hosts with what is left of them, the picture that decisions are made from.
//
// INVARIANTS
// - What is left of a host = its capacity - its holdings (from its Advice) - what was assumed and not yet seen.
// - A ship is assumed on one host at most. The assumption ends when any Advice shows that attempt or a later
//   one, or says that it has ended, or when it is dropped; never by itself, because a ship that boarded as it
//   was placed may go unsaid for long.
// - Every change of a host is noted in the change log; nothing changes while a decision is being made but by it.
import type { Advice, Holding } from '../../../shared/model/holding.ts'
import { sameResources } from '../../../shared/model/resources.ts'
import { Assumptions } from './assumptions.ts'
import { ChangeLog } from './changeLog.ts'
import { type HostPicture, HostRow } from './hostRow.ts'
import { Stock } from './stock.ts'

type Holdings = ReadonlyMap<string, Holding>

export class Board {
  readonly changes = new ChangeLog()
  readonly stock = new Stock((slot) => this.changes.note(slot))
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

  /** The host's Advice shows exactly these ships on it, and that those others have ended. */
  see(id: string, holdings: readonly Holding[], ended: Advice['ended'] = []): void {
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
    for (const { ship, attempt } of ended) this.drop(ship, attempt)
  }

  /** A ship was put on a host, whose port numbers were taken while they were chosen. */
  assume(row: HostRow, holding: Holding, atMs: number): void {
    this.drop(holding.ship)
    row.add(holding, true)
    this.#assumptions.put(row.id, holding, atMs)
    this.changes.note(row.slot)
  }

  /** An earlier leader put a ship on a host. @returns whether that was news. */
  recall(id: string, holding: Holding, atMs: number): boolean {
    if (this.attemptOf(holding.ship) >= holding.attempt) return false
    this.drop(holding.ship)
    this.#assumptions.put(id, holding, atMs)
    const row = this.#byId.get(id)
    row?.add(holding)
    if (row) this.changes.note(row.slot)
    return true
  }

  /** Whether this attempt of the ship is assumed on this host. */
  assumes(host: string, ship: string, attempt: number): boolean {
    const assumed = this.#assumptions.get(ship)
    return assumed?.host === host && assumed.holding.attempt === attempt
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

  /** The assumptions that were made, or last confirmed, at `atMs` or before. */
  assumedBefore(atMs: number): { ship: string; attempt: number; host: string }[] {
    return this.#assumptions
      .until(atMs)
      .map(({ host, holding: { ship, attempt } }) => ({ ship, attempt, host }))
  }

  /** The assumption still holds. */
  confirm(ship: string, attempt: number, atMs: number): void {
    const assumed = this.#assumptions.get(ship)
    if (assumed?.holding.attempt === attempt) assumed.atMs = atMs
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
    sameResources(a.resources, b.resources) &&
    a.hostPorts.join() === b.hostPorts.join()
  )
}

/** FNV-1a: small, even, and the same in every process. */
function hash(text: string): number {
  let sum = 0x811c9dc5
  for (let i = 0; i < text.length; i++) sum = Math.imul(sum ^ text.charCodeAt(i), 0x01000193)
  return sum >>> 0
}

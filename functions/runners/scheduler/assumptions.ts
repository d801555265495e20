// Assumptions: ships that were put on a host's queue and that the host's Advice does not show yet.
import type { Holding } from '../../../shared/model/holding.ts'

export interface Assumption {
  readonly host: string
  readonly holding: Holding
  readonly atMs: number
  /** Neighbours among those on the same host. A chain, because a set for each host costs more than the rest. */
  before: Assumption | undefined
  after: Assumption | undefined
}

export class Assumptions {
  /** Oldest first, because a renewed one is put in anew. */
  readonly #byShip = new Map<string, Assumption>()
  /** The latest of each host. */
  readonly #latest = new Map<string, Assumption>()

  get(ship: string): Assumption | undefined {
    return this.#byShip.get(ship)
  }

  /** The ship must have none. */
  put(host: string, holding: Holding, atMs: number): void {
    const after = this.#latest.get(host)
    const assumption: Assumption = { host, holding, atMs, before: undefined, after }
    if (after) after.before = assumption
    this.#latest.set(host, assumption)
    this.#byShip.set(holding.ship, assumption)
  }

  delete(assumption: Assumption): void {
    const { host, holding, before, after } = assumption
    this.#byShip.delete(holding.ship)
    if (after) after.before = before
    if (before) before.after = after
    else if (after) this.#latest.set(host, after)
    else this.#latest.delete(host)
  }

  on(host: string): Holding[] {
    const holdings: Holding[] = []
    for (let one = this.#latest.get(host); one; one = one.after) holdings.push(one.holding)
    return holdings
  }

  /** Ships assumed at `atMs` or before. */
  until(atMs: number): string[] {
    const ships: string[] = []
    for (const [ship, assumption] of this.#byShip) {
      if (assumption.atMs > atMs) break
      ships.push(ship)
    }
    return ships
  }

  /** When the oldest was made. */
  get oldestAtMs(): number | undefined {
    return this.#byShip.values().next().value?.atMs
  }
}

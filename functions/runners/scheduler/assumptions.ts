// Assumptions: ships whose jobs were put into a host's box and that no Advice shows yet.
import type { Holding } from '../../../shared/model/holding.ts'

export interface Assumption {
  readonly host: string
  readonly holding: Holding
  /** When it was made, or last confirmed. */
  atMs: number
  /** Neighbours among those on the same host. A chain, because a set for each host costs more than the rest. */
  before: Assumption | undefined
  after: Assumption | undefined
}

export class Assumptions {
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

  /** Those made, or last confirmed, at `atMs` or before. */
  until(atMs: number): Assumption[] {
    const old: Assumption[] = []
    for (const assumption of this.#byShip.values()) if (assumption.atMs <= atMs) old.push(assumption)
    return old
  }
}

// Assumptions: ships that were put on a host's queue and that the host's Advice does not show yet.
import type { Holding } from '../../../shared/model/holding.ts'

export interface Assumption {
  host: string
  holding: Holding
  atMs: number
}

export class Assumptions {
  /** Oldest first, because a renewed one is put in anew. */
  readonly #byShip = new Map<string, Assumption>()
  readonly #byHost = new Map<string, Set<string>>()

  get(ship: string): Assumption | undefined {
    return this.#byShip.get(ship)
  }

  put(assumption: Assumption): void {
    const { ship } = assumption.holding
    this.delete(ship)
    this.#byShip.set(ship, assumption)
    const aboard = this.#byHost.get(assumption.host)
    if (aboard) aboard.add(ship)
    else this.#byHost.set(assumption.host, new Set([ship]))
  }

  delete(ship: string): void {
    const old = this.#byShip.get(ship)
    if (!old) return
    this.#byShip.delete(ship)
    const aboard = this.#byHost.get(old.host)
    aboard?.delete(ship)
    if (aboard?.size === 0) this.#byHost.delete(old.host)
  }

  on(host: string): Holding[] {
    const ships = [...(this.#byHost.get(host) ?? [])]
    return ships.flatMap((ship) => this.#byShip.get(ship)?.holding ?? [])
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

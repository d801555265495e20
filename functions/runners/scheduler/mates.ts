// Mates: how many ships of each fleet are on which host, by slot.
export type MatesBySlot = ReadonlyMap<number, number>

const none: MatesBySlot = new Map()

export class Mates {
  readonly #byFleet = new Map<string, Map<number, number>>()

  /** Good until the next change: a fleet that comes back begins anew. */
  of(fleet: string | null): MatesBySlot {
    return fleet === null ? none : (this.#byFleet.get(fleet) ?? none)
  }

  count(fleet: string, slot: number, by: 1 | -1): void {
    let bySlot = this.#byFleet.get(fleet)
    if (!bySlot) {
      bySlot = new Map()
      this.#byFleet.set(fleet, bySlot)
    }
    const count = (bySlot.get(slot) ?? 0) + by
    if (count > 0) bySlot.set(slot, count)
    else if (bySlot.delete(slot) && bySlot.size === 0) this.#byFleet.delete(fleet)
  }
}

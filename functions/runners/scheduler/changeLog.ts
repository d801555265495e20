// ChangeLog: which hosts changed, in order, so that every index catches up when it is next asked and not before.
const kept = 1 << 16

export class ChangeLog {
  readonly #slots = new Int32Array(kept)
  /** When each slot changed last. */
  #latest = new Float64Array(64)
  /** Number of changes so far. */
  version = 0

  note(slot: number): void {
    if (slot >= this.#latest.length) this.#grow(slot + 1)
    this.#latest[slot] = this.version
    this.#slots[this.version++ & (kept - 1)] = slot
  }

  /** Whether all changes since `version` are still known. */
  reachesBackTo(version: number): boolean {
    return this.version - version <= kept
  }

  /** The slot of one change, or -1 when that slot changed again later. */
  slotOf(change: number): number {
    const slot = this.#slots[change & (kept - 1)] as number
    return this.#latest[slot] === change ? slot : -1
  }

  #grow(least: number): void {
    const grown = new Float64Array(Math.max(least, this.#latest.length * 2))
    grown.set(this.#latest)
    this.#latest = grown
  }
}

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

  /**
   * Visits every slot that changed since `version`, once.
   * @returns false, without visiting, when that is more than `limit` or no longer known: look at all hosts.
   */
  replay(version: number, limit: number, visit: (slot: number) => void): boolean {
    const behind = this.version - version
    if (behind > limit || behind > kept) return false
    for (let at = version; at < this.version; at++) {
      const slot = this.#slots[at & (kept - 1)] ?? 0
      if (this.#latest[slot] === at) visit(slot)
    }
    return true
  }

  #grow(least: number): void {
    const grown = new Float64Array(Math.max(least, this.#latest.length * 2))
    grown.set(this.#latest)
    this.#latest = grown
  }
}

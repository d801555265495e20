// ChangeLog: which hosts changed, in order, so that every index catches up when it is next asked and not before.
const kept = 1 << 16

export class ChangeLog {
  readonly #slots = new Int32Array(kept)
  /** Number of changes so far. */
  version = 0

  note(slot: number): void {
    this.#slots[this.version++ & (kept - 1)] = slot
  }

  /**
   * Visits every slot that changed after `version`.
   * @returns false, without visiting, when that is more than `limit` or no longer known: look at all hosts.
   */
  replay(version: number, limit: number, visit: (slot: number) => void): boolean {
    const behind = this.version - version
    if (behind > limit || behind > kept) return false
    for (let at = version; at < this.version; at++) visit(this.#slots[at & (kept - 1)] ?? 0)
    return true
  }
}

// How long nobody has played on one ship, as far as this process has counted.
export class Emptiness {
  #sinceMs: number | undefined

  /** @param players null: nobody counts. @returns in ms; null: somebody plays, or nobody knows. */
  of(players: number | null, nowMs: number): number | null {
    this.#sinceMs = players === 0 ? (this.#sinceMs ?? nowMs) : undefined
    return this.#sinceMs === undefined ? null : Math.round(nowMs - this.#sinceMs)
  }
}

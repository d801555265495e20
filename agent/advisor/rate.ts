// What a counter grows by, from one reading to the next.

export class Rate {
  #last: { value: number; atMs: number } | undefined

  /** A second; null at the first reading. A counter that fell was begun anew. */
  of(value: number, atMs: number): number | null {
    const last = this.#last
    this.#last = { value, atMs }
    return last && atMs > last.atMs ? Math.max(0, ((value - last.value) / (atMs - last.atMs)) * 1_000) : null
  }
}

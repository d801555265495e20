// Values that many rows of a batch have in common: on the wire each different one stands once, and rows point at it.
export class OnceEach<T> {
  readonly all: T[] = []
  readonly #places = new Map<string, number>()

  /** Where the value stands. */
  at(value: T): number {
    const key = JSON.stringify(value)
    const known = this.#places.get(key)
    if (known !== undefined) return known
    const place = this.all.push(value) - 1
    this.#places.set(key, place)
    return place
  }
}

/** @throws when nothing stands there. */
export function standingAt<T>(all: readonly T[], place: number, what: string): T {
  const value = all[place]
  if (value === undefined) throw new Error(`${what} points at ${place} of ${all.length}`)
  return value
}

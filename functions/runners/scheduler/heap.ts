// Heap: takes things out in the order of a number, smallest first.
export class Heap<T> {
  readonly #items: T[] = []
  readonly #order: (item: T) => number

  /** @param order must not change while an item is in the heap, but for the first, with `sinkFirst`. */
  constructor(order: (item: T) => number) {
    this.#order = order
  }

  get size(): number {
    return this.#items.length
  }

  get first(): T | undefined {
    return this.#items[0]
  }

  [Symbol.iterator](): Iterator<T> {
    return this.#items[Symbol.iterator]()
  }

  push(item: T): void {
    const items = this.#items
    const order = this.#order(item)
    let at = items.push(item) - 1
    while (at > 0) {
      const above = (at - 1) >> 1
      const other = items[above] as T
      if (this.#order(other) <= order) break
      items[at] = other
      at = above
    }
    items[at] = item
  }

  pop(): T | undefined {
    const first = this.#items[0]
    const last = this.#items.pop()
    if (this.#items.length > 0 && last !== undefined) {
      this.#items[0] = last
      this.sinkFirst()
    }
    return first
  }

  /** Puts the first item in its place after its number has grown. */
  sinkFirst(): void {
    const items = this.#items
    const item = items[0]
    if (item === undefined) return
    const order = this.#order(item)
    let at = 0
    for (;;) {
      let below = 2 * at + 1
      if (below >= items.length) break
      if (below + 1 < items.length && this.#order(items[below + 1] as T) < this.#order(items[below] as T))
        below++
      if (this.#order(items[below] as T) >= order) break
      items[at] = items[below] as T
      at = below
    }
    items[at] = item
  }
}

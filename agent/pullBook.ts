// Images that the cluster wants on this host ahead of ships, and what became of them.
//
// INVARIANTS
// - An order is carried out once, however often it is given.
// - An end is told until it was recorded, and again when the order is given again.
import { forgetOldest } from '../shared/forget.ts'
import type { PullEnd, PullOrder } from '../shared/model/imagePull.ts'

const rememberedEnds = 200
const mostTold = 100

export class PullBook {
  readonly #underWay = new Set<string>()
  readonly #ends = new Map<string, PullEnd>()
  readonly #untold = new Map<string, PullEnd>()
  readonly #onOrder: ((order: PullOrder) => void)[] = []
  readonly #onEnd: (() => void)[] = []

  /** Whoever listens begins it, and calls `end`. */
  onOrder(listener: (order: PullOrder) => void): void {
    this.#onOrder.push(listener)
  }

  onEnd(listener: () => void): void {
    this.#onEnd.push(listener)
  }

  order(orders: readonly PullOrder[]): void {
    for (const order of orders) {
      const end = this.#ends.get(order.pull)
      if (end) this.#untold.set(order.pull, end)
      if (end || this.#underWay.has(order.pull)) continue
      this.#underWay.add(order.pull)
      for (const listener of this.#onOrder) listener(order)
    }
  }

  end(end: PullEnd): void {
    this.#underWay.delete(end.pull)
    this.#ends.set(end.pull, end)
    this.#untold.set(end.pull, end)
    forgetOldest(this.#ends, rememberedEnds)
    for (const listener of this.#onEnd) listener()
  }

  /** Ends that nobody has recorded yet. */
  untold(): PullEnd[] {
    return [...this.#untold.values()].slice(0, mostTold)
  }

  told(ends: readonly PullEnd[]): void {
    for (const { pull } of ends) this.#untold.delete(pull)
  }
}

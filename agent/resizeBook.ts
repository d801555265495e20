// What became of changes of the limits of running ships, until the ApiServer has taken it.
import type { ShipResized } from '../shared/api/monitor.ts'

const mostTold = 1_000

export class ResizeBook {
  readonly #untold = new Map<string, ShipResized>()
  readonly #onPut: (() => void)[] = []

  onPut(listener: () => void): void {
    this.#onPut.push(listener)
  }

  /** The last word on a ship counts. */
  put(end: ShipResized): void {
    this.#untold.set(end.ship, end)
    for (const listener of this.#onPut) listener()
  }

  untold(): ShipResized[] {
    return [...this.#untold.values()].slice(0, mostTold)
  }

  told(ends: readonly ShipResized[]): void {
    for (const end of ends) if (this.#untold.get(end.ship) === end) this.#untold.delete(end.ship)
  }
}

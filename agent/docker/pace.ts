// How fast output of a ship is read: Docker sends all that a loud one prints, also what nobody wants.
import { sleep } from '../../shared/loop.ts'

/** 4 MB/s. */
const slotMs = 100
const slotBytes = 400_000

export class Pace {
  #endMs = performance.now() + slotMs
  #bytes = 0

  /** Counts what was read. @param isTooMuch whether to wait for the next slot, when this one has had its share. */
  async keep(bytes: number, signal: AbortSignal, isTooMuch = true): Promise<void> {
    this.#bytes += bytes
    if (isTooMuch && this.#bytes > slotBytes) await sleep(this.#endMs - performance.now(), signal)
    if (performance.now() < this.#endMs) return
    this.#endMs = performance.now() + slotMs
    this.#bytes = 0
  }
}

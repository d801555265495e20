// Alarm: rings a bell once, at the earliest of the times it was set to.

import type { Bell } from '../../../shared/loop.ts'
import { sleep } from '../../../shared/loop.ts'

export class Alarm {
  readonly #bell: Bell
  readonly #signal: AbortSignal
  #atMs = Number.POSITIVE_INFINITY
  #unset: AbortController | undefined

  /** @param signal silences it for good. */
  constructor(bell: Bell, signal: AbortSignal) {
    this.#bell = bell
    this.#signal = signal
  }

  /** Rings at `atMs` of the monotonic clock, unless it is set to ring earlier. */
  set(atMs: number | undefined): void {
    if (atMs === undefined || atMs >= this.#atMs || this.#signal.aborted) return
    this.#unset?.abort()
    const unset = new AbortController()
    this.#unset = unset
    this.#atMs = atMs
    void sleep(Math.max(1, atMs - performance.now()), AbortSignal.any([unset.signal, this.#signal])).then(
      () => {
        if (unset.signal.aborted) return
        this.#atMs = Number.POSITIVE_INFINITY
        this.#bell.ring()
      },
    )
  }
}

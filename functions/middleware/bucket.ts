// Token buckets, one a key: so many requests at once, and so many a second in the long run.
//
// Not the memory limiter of rate-limiter-flexible: that counts in fixed windows, so that twice the burst passes at
// the edge of two, and keeps a record and a timer for every key there ever was in a window, without a bound.
import { forgetOldest } from '../../shared/forget.ts'
import type { Rate } from '../../shared/model/token.ts'

/** What sums of times are off by: the last one of a burst is not refused for that. */
const roundingMs = 1e-6

export class Buckets {
  /** Key -> when its bucket is full again. The longest unused first. */
  #fullAtMs = new Map<string, number>()
  #most: number

  /** @param most keys that are remembered; past that the longest unused start with a full bucket again. */
  constructor(most = 10_000) {
    this.#most = most
  }

  /** Takes one out. @returns 0, or, when it is empty, the ms until there is one again. */
  take(key: string, rate: Rate, nowMs = performance.now()): number {
    const waitMs = this.waitMs(key, rate, nowMs)
    if (waitMs > 0) return waitMs
    const fullAtMs = Math.max(nowMs, this.#fullAtMs.get(key) ?? 0) + 1_000 / rate.perSecond
    this.#fullAtMs.delete(key)
    this.#fullAtMs.set(key, fullAtMs)
    forgetOldest(this.#fullAtMs, this.#most)
    return 0
  }

  /** The ms until there is one to take; 0 when there is. */
  waitMs(key: string, { perSecond, burst }: Rate, nowMs = performance.now()): number {
    const everyMs = 1_000 / perSecond
    const waitMs = (this.#fullAtMs.get(key) ?? 0) + everyMs - nowMs - burst * everyMs
    return waitMs > roundingMs ? waitMs : 0
  }
}

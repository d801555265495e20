// How fast one ship may speak, so that it cannot keep the agent from the others.
import { SdkError } from './sdkError.ts'

export interface Pace {
  /** In the long run. */
  perSecond: number
  burst: number
}

/** Whoever calls too often hears of it so late: as few calls as may be under way make few refusals. */
export const heldMs = 1_000

const callPace = { perSecond: 100, burst: 500 }

export class Allowance {
  readonly #pace: Pace
  #fullAtMs = 0

  constructor(pace: Pace = callPace) {
    this.#pace = pace
  }

  /** @returns whether so many were left. */
  take(count = 1, nowMs = performance.now()): boolean {
    const { perSecond, burst } = this.#pace
    const nextMs = Math.max(nowMs, this.#fullAtMs) + (count * 1_000) / perSecond
    if (nextMs - nowMs > (burst * 1_000) / perSecond) return false
    this.#fullAtMs = nextMs
    return true
  }
}

export function tooOften(): SdkError {
  return new SdkError(
    'RESOURCE_EXHAUSTED',
    `a ship may make ${callPace.perSecond} calls a second in the long run`,
  )
}

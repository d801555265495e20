// How fast one ship may speak, so that it cannot keep the agent from the others.
import { SdkError } from './sdkError.ts'

const perSecond = 100
const burst = 500

export class Allowance {
  #fullAtMs = 0

  /** @throws SdkError when the ship has called too often. */
  take(nowMs = performance.now()): void {
    const refusal = this.refusal(nowMs)
    if (refusal) throw refusal
  }

  /** Takes, or tells why not. */
  refusal(nowMs = performance.now()): SdkError | undefined {
    const nextMs = Math.max(nowMs, this.#fullAtMs) + 1_000 / perSecond
    if (nextMs - nowMs > (burst * 1_000) / perSecond) {
      return new SdkError('RESOURCE_EXHAUSTED', `a ship may make ${perSecond} calls a second in the long run`)
    }
    this.#fullAtMs = nextMs
    return undefined
  }
}

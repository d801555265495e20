// Takeover: how long a new leader takes until ships get hosts again, and of what. Waiting for tickets is no part of it.
import type { SchedulerTakeover } from '../../../shared/api/placements.ts'

type Part = 'picture' | 'decision' | 'jobs'

export class Takeover {
  readonly #ms = new Map<Part, number>()
  #sinceMs = performance.now()

  /** There is something to do: what came before is not counted. */
  resume(): void {
    this.#sinceMs = performance.now()
  }

  /** The first time counts. */
  did(part: Part): void {
    const nowMs = performance.now()
    if (!this.#ms.has(part)) this.#ms.set(part, Math.round(nowMs - this.#sinceMs))
    this.#sinceMs = nowMs
  }

  /** Jobs stand in boxes. */
  get over(): boolean {
    return this.#ms.has('jobs')
  }

  get parts(): SchedulerTakeover {
    const msOf = (part: Part) => this.#ms.get(part) ?? 0
    return { pictureMs: msOf('picture'), decisionMs: msOf('decision'), jobsMs: msOf('jobs') }
  }
}

// Takeover: how long a new leader takes until ships get hosts again, and of what.
import type { SchedulerTakeover } from '../../../shared/api/placements.ts'

const order = ['picture', 'queue', 'decision', 'jobs'] as const
type Part = (typeof order)[number]

export class Takeover {
  readonly #beganMs = performance.now()
  readonly #atMs = new Map<Part, number>()

  /** The first time counts. */
  reached(part: Part): void {
    if (!this.#atMs.has(part)) this.#atMs.set(part, Math.round(performance.now() - this.#beganMs))
  }

  /** Jobs stand in boxes. */
  get over(): boolean {
    return this.#atMs.has('jobs')
  }

  get parts(): SchedulerTakeover {
    const [pictureMs, queueMs, decisionMs, jobsMs] = order.map((part) => this.#atMs.get(part) ?? 0)
    return { pictureMs, queueMs, decisionMs, jobsMs } as SchedulerTakeover
  }
}

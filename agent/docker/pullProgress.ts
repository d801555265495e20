// How far a pull is, from what Docker tells of each layer, and what is said of it now and then. A layer that is there
// already counts as whole.
import { type PullState, pullShare } from '../../shared/model/image.ts'
import { MiB } from '../../shared/model/resources.ts'

/** One line of a pull, as the engine sends it. */
export interface PullEvent {
  id?: string
  status?: string
  progressDetail?: { current?: number; total?: number }
  /** Why it cannot be pulled after all. */
  error?: string
}

/** Most pulls of what is nearby are over by then, and nobody needs to hear of them. */
const quietMs = 1_000
const everyMs = 5_000

export class PullProgress {
  readonly #image: string
  readonly #layers = new Map<string, { current: number; total: number }>()
  #dueAtMs = performance.now() + quietMs
  #told: PullState | null = null

  constructor(image: string) {
    this.#image = image
  }

  note({ id, status, progressDetail }: PullEvent): void {
    if (id === undefined) return
    const before = this.#layers.get(id)
    const { current, total } = progressDetail ?? {}
    if (status === 'Downloading' && current !== undefined && total !== undefined)
      this.#layers.set(id, { current: Math.min(current, total), total })
    else if (before && (status === 'Download complete' || status === 'Pull complete'))
      this.#layers.set(id, { ...before, current: before.total })
  }

  get state(): PullState {
    let current = 0
    let total = 0
    for (const layer of this.#layers.values()) {
      current += layer.current
      total += layer.total
    }
    const known = total > 0
    return {
      image: this.#image,
      percent: known ? Math.floor((current / total) * 100) : null,
      totalMiB: known ? Math.ceil(total / MiB) : null,
    }
  }

  /** As it was told last: the same for all who ask within some seconds. Null for the first second. */
  get told(): PullState | null {
    const nowMs = performance.now()
    if (nowMs >= this.#dueAtMs) {
      this.#dueAtMs = nowMs + everyMs
      this.#told = this.state
    }
    return this.#told
  }
}

/** Such as `pulling game:1, 45 % of 120 MiB`. */
export function pullText(state: PullState): string {
  return [`pulling ${state.image}`, pullShare(state)].filter(Boolean).join(', ')
}

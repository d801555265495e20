// How far a pull is, from what Docker tells of each layer. A layer that is there already counts as whole.

/** One line of a pull, as the engine sends it. */
export interface PullEvent {
  id?: string
  status?: string
  progressDetail?: { current?: number; total?: number }
}

export class PullProgress {
  readonly #layers = new Map<string, { current: number; total: number }>()

  note({ id, status, progressDetail }: PullEvent): void {
    if (id === undefined) return
    const before = this.#layers.get(id)
    const { current, total } = progressDetail ?? {}
    if (status === 'Downloading' && current !== undefined && total !== undefined)
      this.#layers.set(id, { current: Math.min(current, total), total })
    else if (before && (status === 'Download complete' || status === 'Pull complete'))
      this.#layers.set(id, { ...before, current: before.total })
  }

  /** Whole per cent of the bytes known so far; null when none are. */
  get percent(): number | null {
    let current = 0
    let total = 0
    for (const layer of this.#layers.values()) {
      current += layer.current
      total += layer.total
    }
    return total === 0 ? null : Math.floor((current / total) * 100)
  }
}

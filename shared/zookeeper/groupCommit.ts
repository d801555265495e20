// Group commit: items that many callers offer, collected into batches that fit, and each caller told its fate.

/** Somebody's items on their way into one or more batches. */
interface Offer<T> {
  readonly items: readonly T[]
  /** Items of it that are in a batch, and of those the ones that are written. */
  taken: number
  written: number
  settle: (error?: unknown) => void
}

export interface Batch {
  readonly data: Buffer | string
  /** Items in it. */
  readonly size: number
  /** Tells the callers that it is written, or why it is not. */
  settle: (error?: unknown) => void
}

export interface GroupOptions<T> {
  maxItems: number
  maxBytes: number
  limitMs: number
  encode: (items: T[]) => Buffer | string
  /** The error of an offer that took longer than `limitMs`; `begun`: parts of it may be written. */
  late: (begun: boolean) => Error
  /** The error of an item that is larger than a batch may be. */
  tooLarge: (bytes: number) => Error
}

export class GroupCommit<T> {
  readonly #options: GroupOptions<T>
  readonly #waiting = new Set<Offer<T>>()
  #waitingItems = 0

  constructor(options: GroupOptions<T>) {
    this.#options = options
  }

  /** Items that are in no batch yet. */
  get waitingItems(): number {
    return this.#waitingItems
  }

  /** Resolves when every item is written. */
  add(items: readonly T[]): Promise<void> {
    const { limitMs, late } = this.#options
    return new Promise((resolve, reject) => {
      const settle = (error?: unknown): void => {
        clearTimeout(timer)
        if (this.#waiting.delete(offer)) this.#waitingItems -= items.length - offer.taken
        if (error === undefined) resolve()
        else reject(error)
      }
      const offer: Offer<T> = { items, taken: 0, written: 0, settle }
      const timer = setTimeout(() => settle(late(offer.taken > 0)), limitMs)
      this.#waiting.add(offer)
      this.#waitingItems += items.length
    })
  }

  /** As many of the waiting items as fit, oldest first; `undefined` when none waits. */
  take(): Batch | undefined {
    const { maxItems, maxBytes, encode, tooLarge } = this.#options
    let limit = maxItems
    while (this.#waiting.size > 0) {
      const { items, shares } = this.#first(limit)
      const data = encode(items)
      const bytes = Buffer.byteLength(data)
      if (bytes > maxBytes) {
        if (items.length === 1) for (const offer of shares.keys()) offer.settle(tooLarge(bytes))
        // A little less than the mean size says, because most batches then fit at the second try.
        limit =
          items.length === 1 ? maxItems : Math.max(1, Math.floor(((items.length * maxBytes) / bytes) * 0.9))
        continue
      }
      for (const [offer, count] of shares) {
        offer.taken += count
        this.#waitingItems -= count
        if (offer.taken === offer.items.length) this.#waiting.delete(offer)
      }
      const settle = (error?: unknown): void => {
        for (const [offer, count] of shares) {
          offer.written += count
          if (error !== undefined || offer.written === offer.items.length) offer.settle(error)
        }
      }
      return { data, size: items.length, settle }
    }
    return undefined
  }

  #first(limit: number): { items: T[]; shares: Map<Offer<T>, number> } {
    const items: T[] = []
    const shares = new Map<Offer<T>, number>()
    for (const offer of this.#waiting) {
      if (items.length === limit) break
      const share = offer.items.slice(offer.taken, offer.taken + limit - items.length)
      shares.set(offer, share.length)
      for (const item of share) items.push(item)
    }
    return { items, shares }
  }
}

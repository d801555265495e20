// A lease that all keys of a certain time share, so that keys which go by themselves cost etcd no lease each.
import type { Kv } from './kv.ts'

export class SharedLease {
  #kv: Kv
  #seconds: number
  #everyMs: number
  #current: { id: Promise<string>; atMs: number } | undefined

  /** Keys are kept for at least `seconds`, and for up to `everyMs` longer. */
  constructor(kv: Kv, seconds: number, everyMs = 3_600_000) {
    this.#kv = kv
    this.#seconds = seconds + Math.ceil(everyMs / 1_000)
    this.#everyMs = everyMs
  }

  /** @throws ArmadaError unavailable. */
  id(): Promise<string> {
    const nowMs = performance.now()
    if (!this.#current || nowMs - this.#current.atMs > this.#everyMs) {
      const lease = { id: this.#kv.lease(this.#seconds), atMs: nowMs }
      this.#current = lease
      lease.id.catch(() => {
        if (this.#current === lease) this.#current = undefined
      })
    }
    return this.#current.id
  }

  /** To be called when a write with it failed: a store that was restored does not know the lease. */
  drop(): void {
    this.#current = undefined
  }
}

// A caller's part of the audit log: its entries on their way into etcd, in batches, and what of them stands there.
//
// INVARIANTS
// - While one batch is being written the next one collects; what waits is bounded.
// - Entries stand under leases, each for a part of the space: what is to go first goes with its lease, at once.
import { ArmadaError } from '../../../shared/errors.ts'
import type { NewEntry } from '../../../shared/model/auditEntry.ts'
import { type Batch, GroupCommit } from '../../../shared/zookeeper/groupCommit.ts'
import type { Kv } from '../etcd/kv.ts'
import { SharedLease } from '../etcd/sharedLease.ts'

export const writeLimitMs = 5_000
const waitingLimit = 2_000

export interface AuditRingOptions {
  days: number
  /** Bytes under one lease. */
  partBytes: number
  /** A key that nobody had yet. */
  nextKey: () => string
  /** A batch was written. */
  onWritten: () => void
}

export class AuditRing {
  #kv: Kv
  #options: AuditRingOptions
  #lease: SharedLease
  /** What stands under each lease, the oldest first. */
  #kept: { lease: string; bytes: number }[] = []
  #group = new GroupCommit<NewEntry>({
    maxItems: 200,
    maxBytes: 128 * 1024,
    limitMs: writeLimitMs,
    encode: (entries) => JSON.stringify(entries),
    late: () => new ArmadaError('unavailable', `etcd took no audit entry within ${writeLimitMs} ms.`),
    tooLarge: (bytes) => new ArmadaError('body_too_large', `An audit entry of ${bytes} bytes.`),
  })
  writing = false

  constructor(kv: Kv, options: AuditRingOptions) {
    this.#kv = kv
    this.#options = options
    this.#lease = new SharedLease(kv, options.days * 86_400)
  }

  /** What stands in etcd. */
  get bytes(): number {
    return this.#kept.reduce((sum, one) => sum + one.bytes, 0)
  }

  /** Resolves when the entry is in etcd. */
  async add(entry: NewEntry): Promise<void> {
    if (this.#group.waitingItems >= waitingLimit) throw new Error(`${waitingLimit} entries are waiting`)
    const written = this.#group.add([entry])
    void this.#write()
    await written
  }

  /** Ends the oldest lease, and with it what stands under it. */
  dropOldest(): void {
    if (this.#kept.length === 1) this.#lease.drop()
    const oldest = this.#kept.shift()
    // One that is not ended now ends by itself.
    if (oldest) this.#kv.revoke(oldest.lease).catch(() => undefined)
  }

  async #write(): Promise<void> {
    if (this.writing) return
    this.writing = true
    try {
      for (let batch = this.#group.take(); batch; batch = this.#group.take()) await this.#put(batch)
    } finally {
      this.writing = false
    }
  }

  async #put({ data, settle }: Batch): Promise<void> {
    const key = this.#options.nextKey()
    const write = async () => {
      const lease = await this.#lease.id()
      await this.#kv.commit([], [{ put: key, value: String(data), lease }])
      this.#count(lease, key.length + Buffer.byteLength(data))
    }
    try {
      // A second try covers a lease that is gone and an answer that was lost; the key stays the same.
      await write().catch(() => {
        this.#lease.drop()
        return write()
      })
      settle()
    } catch (error) {
      settle(error)
    }
  }

  #count(lease: string, bytes: number): void {
    const last = this.#kept.at(-1)
    if (last?.lease === lease) last.bytes += bytes
    else this.#kept.push({ lease, bytes })
    if ((this.#kept.at(-1)?.bytes ?? 0) >= this.#options.partBytes) this.#lease.drop()
    this.#options.onWritten()
  }
}

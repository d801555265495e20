// The store of the audit log: batches of entries in etcd, under keys that put the newest first.
//
// INVARIANTS
// - An entry that was recorded is in etcd. While one batch is being written the next one collects.
// - What is waiting is bounded, and so is what one ApiServer has in etcd: past that its oldest entries go.
// - Denials, which anybody can cause, are few: see Denials.
// - No ApiServer keeps entries in memory; they go from etcd by themselves, with a lease.
import { ArmadaError, messageOf } from '../../../shared/errors.ts'
import type { Log } from '../../../shared/log.ts'
import { type AuditEntry, isDenial, type NewEntry } from '../../../shared/model/auditEntry.ts'
import { randomId } from '../../../shared/model/name.ts'
import { type Batch, GroupCommit } from '../../../shared/zookeeper/groupCommit.ts'
import type { KeyValue, Kv } from '../etcd/kv.ts'
import { SharedLease } from '../etcd/sharedLease.ts'
import { etcdKeys } from '../keys.ts'
import { Denials } from './denials.ts'

export interface AuditFilter {
  caller?: string | undefined
  subject?: string | undefined
  path?: string | undefined
  denied?: boolean | undefined
  sinceMs?: number | undefined
  untilMs?: number | undefined
}

const writeLimitMs = 5_000
const waitingLimit = 10_000
/** Batches that one look into the log reads at once, and at most: so that a rare name costs a bounded time. */
const batchesAtOnce = 50
const batchesRead = 1_000
/** Room for what lies between an answer and its batch, and between two clocks. */
const slackMs = 2 * writeLimitMs
/** Longer than time will count; keys begin with what is left of it. */
const endOfTimeMs = 9_999_999_999_999

/** Leases that share the space of one ApiServer: the oldest of them goes when the space is used up. */
const parts = 32

export interface AuditOptions {
  /** Days that entries are kept. */
  days: number
  /** Space for what this ApiServer writes, from its start on. */
  mostMiB: number
  log: Log
  denialWindowMs?: number
}

export class AuditStore {
  #kv: Kv
  #log: Log
  #lease: SharedLease
  #writer = randomId()
  #batches = 0
  #mostBytes: number
  /** What stands under each lease, the oldest first. */
  #kept: { lease: string; bytes: number }[] = []
  #writing = false
  #denials: Denials
  #failures: Denials
  #group = new GroupCommit<NewEntry>({
    maxItems: 200,
    maxBytes: 128 * 1024,
    limitMs: writeLimitMs,
    encode: (entries) => JSON.stringify(entries),
    late: () => new ArmadaError('unavailable', `etcd took no audit entry within ${writeLimitMs} ms.`),
    tooLarge: (bytes) => new ArmadaError('body_too_large', `An audit entry of ${bytes} bytes.`),
  })

  constructor(kv: Kv, { days, mostMiB, log, denialWindowMs = 60_000 }: AuditOptions) {
    this.#mostBytes = mostMiB * 2 ** 20
    this.#kv = kv
    this.#log = log
    this.#lease = new SharedLease(kv, days * 86_400)
    this.#denials = new Denials((entry) => void this.record(entry), denialWindowMs)
    this.#failures = new Denials((entry) => void this.record(entry), denialWindowMs)
  }

  /** Resolves when the entry is in etcd, or when that failed: then it is in the log, at error level. */
  async record(entry: NewEntry): Promise<void> {
    this.#log.info({ audit: true, ...entry }, 'audit')
    try {
      if (this.#group.waitingItems >= waitingLimit) throw new Error(`${waitingLimit} entries are waiting`)
      const written = this.#group.add([entry])
      void this.#write()
      await written
    } catch (error) {
      this.#log.error({ audit: true, ...entry, error: messageOf(error) }, 'an audit entry could not be kept')
    }
  }

  /** A denial, which nobody waits for. Those that are alike become one entry. */
  deny(entry: NewEntry): void {
    this.#denials.note(entry)
  }

  /**
   * A change that was refused for what it asks. Like denials: anybody with a token can cause any number, and past
   * their space the entries of what was changed would go. Apart from them, so that strangers drown none.
   */
  fail(entry: NewEntry): void {
    this.#failures.note(entry)
  }

  /** Entries that fit, newest first, from behind the cursor. `next` is null when there are no more. */
  async page(
    filter: AuditFilter,
    limit: number,
    cursor?: string,
  ): Promise<{ entries: AuditEntry[]; next: string | null }> {
    const entries: AuditEntry[] = []
    const [batch, index] = cursor === undefined ? [] : cursor.split('.')
    const newest = filter.untilMs === undefined ? undefined : timeLeft(filter.untilMs + slackMs)
    const oldest = filter.sinceMs === undefined ? undefined : timeLeft(filter.sinceMs - slackMs)
    let first = etcdKeys.audit + (batch ?? newest ?? '')
    // "~" comes after everything that a key has behind its time.
    const end = `${etcdKeys.audit}${oldest ?? ''}~`
    for (let read = 0; read < batchesRead; read += batchesAtOnce) {
      const found = await this.#kv.page(first, end, batchesAtOnce)
      for (const item of found) {
        const name = nameOf(item)
        for (const entry of entriesOf(item, name === batch ? Number(index) : undefined)) {
          if (!fits(entry, filter)) continue
          if (entries.length === limit) return { entries, next: entries.at(-1)?.id ?? null }
          entries.push(entry)
        }
      }
      const last = found.at(-1)
      if (!last || found.length < batchesAtOnce) return { entries, next: null }
      first = `${last.key}\0`
    }
    return { entries, next: `${first.slice(etcdKeys.audit.length, -1)}.0` }
  }

  /** Writes what is known of denials. */
  async close(): Promise<void> {
    this.#denials.flush()
    this.#failures.flush()
    while (this.#writing) await new Promise((resolve) => setImmediate(resolve))
  }

  async #write(): Promise<void> {
    if (this.#writing) return
    this.#writing = true
    try {
      for (let batch = this.#group.take(); batch; batch = this.#group.take()) await this.#put(batch)
    } finally {
      this.#writing = false
    }
  }

  async #put({ data, settle }: Batch): Promise<void> {
    const key = `${etcdKeys.audit}${timeLeft(Date.now())}-${this.#writer}-${this.#batches++}`
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
    if ((this.#kept.at(-1)?.bytes ?? 0) >= this.#mostBytes / parts) this.#lease.drop()
    const all = this.#kept.reduce((sum, one) => sum + one.bytes, 0)
    const [oldest] = this.#kept
    if (all <= this.#mostBytes || !oldest || this.#kept.length === 1) return
    this.#kept.shift()
    this.#log.warn(
      { bytes: all },
      'the audit log has no more space (ARMADA_AUDIT_MIB); its oldest entries go',
    )
    // One that is not ended now ends by itself.
    this.#kv.revoke(oldest.lease).catch(() => undefined)
  }
}

function timeLeft(ms: number): string {
  return String(Math.max(0, Math.min(endOfTimeMs, endOfTimeMs - ms))).padStart(13, '0')
}

function nameOf({ key }: KeyValue): string {
  return key.slice(etcdKeys.audit.length)
}

/** The entries of a batch, newest first, with their ids. @param before only those that stand before this place. */
function* entriesOf(item: KeyValue, before?: number): Generator<AuditEntry> {
  const entries: NewEntry[] = JSON.parse(item.value)
  for (let i = Math.min(before ?? entries.length, entries.length) - 1; i >= 0; i--)
    yield { id: `${nameOf(item)}.${i}`, ...(entries[i] as NewEntry) }
}

function fits(entry: AuditEntry, { caller, subject, path, denied, sinceMs, untilMs }: AuditFilter): boolean {
  const atMs = Date.parse(entry.at)
  return (
    (caller === undefined || entry.caller?.name === caller) &&
    (subject === undefined || entry.subject?.split(',').includes(subject) === true) &&
    (path === undefined || entry.path.startsWith(path)) &&
    (denied === undefined || isDenial(entry) === denied) &&
    (sinceMs === undefined || atMs >= sinceMs) &&
    (untilMs === undefined || atMs < untilMs)
  )
}

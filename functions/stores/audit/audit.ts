// The store of the audit log: batches of entries in etcd, under keys that put the newest first.
//
// INVARIANTS
// - An entry that was recorded is in etcd.
// - What one ApiServer has in etcd is bounded: past that the oldest entries of whoever has most there go, so that no
//   token floods away what others did, nor who was turned away.
// - Denials, which anybody can cause, are few: see Denials.
// - No ApiServer keeps entries in memory; they go from etcd by themselves, with a lease.
import { messageOf } from '../../../shared/errors.ts'
import type { Log } from '../../../shared/log.ts'
import { type AuditEntry, isDenial, type NewEntry } from '../../../shared/model/auditEntry.ts'
import { randomId } from '../../../shared/model/name.ts'
import type { KeyValue, Kv } from '../etcd/kv.ts'
import { etcdKeys } from '../keys.ts'
import { AuditRing, writeLimitMs } from './auditRing.ts'
import { Denials } from './denials.ts'

export interface AuditFilter {
  caller?: string | undefined
  subject?: string | undefined
  path?: string | undefined
  denied?: boolean | undefined
  sinceMs?: number | undefined
  untilMs?: number | undefined
}

/** Batches that one look into the log reads at once, and at most: so that a rare name costs a bounded time. */
const batchesAtOnce = 50
const batchesRead = 1_000
/** Room for what lies between an answer and its batch, and between two clocks. */
const slackMs = 2 * writeLimitMs
/** Longer than time will count; keys begin with what is left of it. */
const endOfTimeMs = 9_999_999_999_999

/** Leases that share the space of one ApiServer, if one caller has it all. */
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
  #writer = randomId()
  #batches = 0
  #mostBytes: number
  /** By caller, and one for all that was refused. */
  #rings = new Map<string, AuditRing>()
  #denials: Denials
  #failures: Denials
  #gathered: Denials
  #days: number

  constructor(kv: Kv, { days, mostMiB, log, denialWindowMs = 60_000 }: AuditOptions) {
    this.#mostBytes = mostMiB * 2 ** 20
    this.#kv = kv
    this.#log = log
    this.#days = days
    const gathering = () => new Denials((entry) => void this.record(entry), denialWindowMs)
    this.#denials = gathering()
    this.#failures = gathering()
    this.#gathered = gathering()
  }

  /** Resolves when the entry is in etcd, or when that failed: then it is in the log, at error level. */
  async record(entry: NewEntry): Promise<void> {
    this.#log.info({ audit: true, ...entry }, 'audit')
    try {
      await this.#ringOf(entry).add(entry)
    } catch (error) {
      this.#log.error({ audit: true, ...entry, error: messageOf(error) }, 'an audit entry could not be kept')
    }
  }

  /** A change of which there are very many, and which is on record elsewhere: those that are alike become one entry. */
  gather(entry: NewEntry): void {
    this.#gathered.note(entry)
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

  /** Writes what was gathered and not yet written. */
  async close(): Promise<void> {
    this.#denials.flush()
    this.#failures.flush()
    this.#gathered.flush()
    while ([...this.#rings.values()].some(({ writing }) => writing))
      await new Promise((resolve) => setImmediate(resolve))
  }

  #ringOf(entry: NewEntry): AuditRing {
    const { caller, status } = entry
    const refused = isDenial(entry) || (status >= 400 && status < 500)
    const name = refused ? 'refused' : `${caller?.role ?? 'nobody'}:${caller?.name ?? ''}`
    const known = this.#rings.get(name)
    if (known) return known
    const ring = new AuditRing(this.#kv, {
      days: this.#days,
      partBytes: this.#mostBytes / parts,
      nextKey: () => `${etcdKeys.audit}${timeLeft(Date.now())}-${this.#writer}-${this.#batches++}`,
      onWritten: () => this.#makeRoom(),
    })
    this.#rings.set(name, ring)
    return ring
  }

  #makeRoom(): void {
    for (;;) {
      const rings = [...this.#rings].map(([name, ring]) => ({ name, ring, bytes: ring.bytes }))
      const all = rings.reduce((sum, { bytes }) => sum + bytes, 0)
      const largest = rings.reduce((most, one) => (one.bytes > most.bytes ? one : most), {
        bytes: 0,
      } as (typeof rings)[number])
      if (all <= this.#mostBytes || largest.bytes === 0) return
      largest.ring.dropOldest()
      const fields = { bytes: all, of: largest.name }
      this.#log.warn(
        fields,
        'the audit log has no more space (ARMADA_AUDIT_MIB); the oldest entries of its largest part go',
      )
    }
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

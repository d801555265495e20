// What happened lately to ships, fleets and hosts, as every commit to etcd tells it: the source of all streams.
//
// INVARIANTS
// - It is whole: of every commit after `from`, each change of a ship, fleet or host is here, in etcd's order.
// - Every ApiServer derives the same events with the same ids, also from etcd's own history: an event's id is the
//   revision of its commit and its place among the events of that commit.
// - Where that cannot be held, because etcd was compacted while it was away, there is a `gap`.
import { messageOf } from '../../../shared/errors.ts'
import type { Log } from '../../../shared/log.ts'
import type { ArmadaEvent } from '../../../shared/model/event.ts'
import { CompactedError, type Kv } from '../etcd/kv.ts'
import { type Changed, entryOf, type Kind, LogEntry, numbering, readEntry } from './logEntry.ts'
import type { MirrorObserver } from './mirror.ts'
import type { Table } from './table.ts'

/** Commits from before its start that an ApiServer reads back, so that streams cut off by it go on from memory. */
const commitsReadBack = 2_000

export interface EventLogOptions {
  kv: Kv
  log: Log
  /** Changes that are kept. */
  capacity?: number
}

export class EventLog implements MirrorObserver {
  readonly #kv: Kv
  readonly #log: Log
  readonly #capacity: number
  readonly #number = numbering()
  readonly #listeners = new Set<() => void>()
  #entries: LogEntry[] = []
  /** Undefined while changes come as they happen; while everything is listed: those that the list shows. */
  #listed: Changed[] | undefined
  #readBack: Promise<void> | undefined
  /** Place of the oldest entry; places run on while old entries go. */
  first = 0
  /** Every change after this revision is here. */
  from = 0
  /** Every change up to this revision is here. */
  revision = 0

  constructor({ kv, log, capacity = 10_000 }: EventLogOptions) {
    this.#kv = kv
    this.#log = log
    this.#capacity = capacity
  }

  /** Takes in every change of the table from now on. */
  follow<K extends Kind>(kind: K, table: Table<Extract<Changed, { kind: K }>['after'] & {}>): void {
    table.onChange((id, after, before, revision) => {
      const changed = { kind, id, revision, after: after?.value, before: before?.value } as Changed
      if (this.#listed) this.#listed.push(changed)
      else this.#entries.push(entryOf(changed, this.#number))
    })
  }

  /** The place behind the newest entry. */
  get end(): number {
    return this.first + this.#entries.length
  }

  /** The entries from one place up to another, which it does not include. */
  slice(from: number, to: number): readonly LogEntry[] {
    return this.#entries.slice(Math.max(0, from - this.first), Math.max(0, to - this.first))
  }

  /** Its events, newest first. */
  *backwards(): Generator<ArmadaEvent> {
    const entries = this.#entries
    for (let i = entries.length - 1; i >= 0; i--) yield* entries[i]?.events.toReversed() ?? []
  }

  /** The place of the first change after the revision. */
  placeAfter(revision: number): number {
    let low = 0
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#entries[middle] as LogEntry).revision > revision) high = middle
      else low = middle + 1
    }
    return this.first + low
  }

  /** Whether every change after the revision is in memory. Waits for what is just being read back. */
  async covers(revision: number): Promise<boolean> {
    if (revision < this.from) await this.#readBack
    return revision >= this.from
  }

  /**
   * Every change after the revision, as far back as memory does not reach, from etcd's history.
   * @throws CompactedError, ArmadaError unavailable.
   */
  async *before(revision: number, to = this.from): AsyncGenerator<LogEntry[]> {
    const number = numbering()
    for await (const changes of this.#kv.history(revision, to))
      yield changes.flatMap((change) => readEntry(change, number) ?? [])
  }

  /** Calls after every commit, once its changes are here. @returns a function that ends it. */
  onCommit(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  applied(revision: number): void {
    this.revision = revision
    this.#trim()
    for (const listener of this.#listeners) listener()
  }

  listing(): void {
    // A listing that broke off has told its part already.
    this.#listed ??= []
  }

  listed(revision: number): void {
    const changes = this.#listed ?? []
    this.#listed = undefined
    if (this.#readBack === undefined) {
      this.from = revision
      this.#readBack = this.#readBackTo(revision)
    } else {
      // Histories tell what was missed, but not of records that are gone, nor of the order among them.
      changes.sort((a, b) => a.revision - b.revision)
      for (const changed of changes) this.#entries.push(entryOf(changed, this.#number))
      this.#entries.push(new LogEntry({ kind: 'gap', revision, id: '' }))
    }
    this.applied(revision)
  }

  async #readBackTo(revision: number, from = Math.max(0, revision - commitsReadBack)): Promise<void> {
    let entries: LogEntry[] = []
    let covered = from
    try {
      for await (const more of this.before(from, revision)) {
        entries.push(...more)
        const over = entries.length - this.#capacity
        if (over <= 0) continue
        covered = (entries[over - 1] as LogEntry).revision
        entries = entries.slice(over)
      }
    } catch (error) {
      if (error instanceof CompactedError && error.oldest && error.oldest > from && error.oldest < revision)
        return this.#readBackTo(revision, error.oldest)
      this.#log.warn({ error: messageOf(error) }, 'what happened before the start is not in memory')
      return
    }
    // Only if nothing has gone meanwhile of what follows.
    if (this.from !== revision) return
    this.#entries = [...entries, ...this.#entries]
    this.first -= entries.length
    this.from = covered
    this.#trim()
  }

  /** In large steps, because it moves what stays. */
  #trim(): void {
    const over = this.#entries.length - this.#capacity
    if (over <= this.#capacity / 2) return
    this.from = (this.#entries[over - 1] as LogEntry).revision
    this.first += over
    this.#entries = this.#entries.slice(over)
  }
}

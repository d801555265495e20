// Changes of ships' states that the ApiServer has not yet acknowledged.
//
// INVARIANTS
// - One change a ship and attempt: the latest. A final one (Stopped, Failed, Returned) is never replaced.
// - A change stays until exactly it was acknowledged.
// - How a ship ended can be told once more, without what it left behind: so it is short, and may be taken where the whole
//   was not.

import { isFinal, type ShipEnd, type ShipReport } from '../shared/api/monitor.ts'
import { forgetOldest } from '../shared/forget.ts'
import { keyOf, type ShipAttempt } from './roster.ts'

/** The ships aboard are few and ended ones are not replaced while the ApiServer is away; so this is never met. */
const most = 20_000
/** What got lost is asked for within minutes, and an end takes some 300 bytes. */
const rememberedEnds = 500

export class Outbox {
  readonly #pending = new Map<string, ShipReport>()
  readonly #ends = new Map<string, ShipEnd>()
  readonly #onPut: (() => void)[] = []
  readonly #onAcknowledged: ((reports: readonly ShipReport[]) => void)[] = []

  onPut(listener: () => void): void {
    this.#onPut.push(listener)
  }

  onAcknowledged(listener: (reports: readonly ShipReport[]) => void): void {
    this.#onAcknowledged.push(listener)
  }

  get size(): number {
    return this.#pending.size
  }

  put(report: ShipReport): void {
    const key = keyOf(report)
    const pending = this.#pending.get(key)
    if (pending && isFinal(pending)) return
    this.#pending.delete(key)
    this.#pending.set(key, report)
    forgetOldest(this.#pending, most)
    for (const listener of this.#onPut) listener()
  }

  /** How a ship ended that has left. */
  retell({ ship, attempt }: ShipAttempt): void {
    const reason = 'it has left this host, and how it ended is not known any more'
    const unknown = { ship, attempt, state: 'Returned', fault: false, reason, exit: null } as const
    this.put(this.#ends.get(keyOf({ ship, attempt })) ?? unknown)
  }

  has(of: ShipAttempt): boolean {
    return this.#pending.has(keyOf(of))
  }

  /** Oldest first, and at least one if there is any, however large it is. */
  peek(limit: number, mostBytes = Number.POSITIVE_INFINITY): ShipReport[] {
    const reports: ShipReport[] = []
    let bytes = 0
    for (const report of this.#pending.values()) {
      bytes += Buffer.byteLength(JSON.stringify(report)) + 1
      if (reports.length >= limit || (reports.length > 0 && bytes > mostBytes)) break
      reports.push(report)
    }
    return reports
  }

  /** Lets all others go first. */
  postpone(report: ShipReport): void {
    const key = keyOf(report)
    if (this.#pending.get(key) !== report) return
    this.#pending.delete(key)
    this.#pending.set(key, report)
  }

  acknowledge(reports: readonly ShipReport[]): void {
    if (reports.length === 0) return
    for (const report of reports) {
      const key = keyOf(report)
      if (this.#pending.get(key) === report) this.#pending.delete(key)
      if (isFinal(report)) this.#ends.set(key, { ...report, exit: null })
    }
    forgetOldest(this.#ends, rememberedEnds)
    for (const listener of this.#onAcknowledged) listener(reports)
  }
}

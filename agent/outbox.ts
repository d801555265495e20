// Changes of ships' states that the ApiServer has not yet acknowledged.
//
// INVARIANTS
// - One change a ship and attempt: the latest. A final one (Stopped, Failed, Returned) is never replaced.
// - A change stays until exactly it was acknowledged.
import type { ShipReport } from '../shared/api/monitor.ts'
import { keyOf, type ShipAttempt } from './roster.ts'

/** The ships aboard are few and ended ones are not replaced while the ApiServer is away; so this is never met. */
const most = 20_000

export class Outbox {
  readonly #pending = new Map<string, ShipReport>()
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
    for (const old of this.#pending.keys()) {
      if (this.#pending.size <= most) break
      this.#pending.delete(old)
    }
    for (const listener of this.#onPut) listener()
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
    }
    for (const listener of this.#onAcknowledged) listener(reports)
  }
}

export function isFinal(report: ShipReport): boolean {
  return report.state !== 'Starting' && report.state !== 'Ready' && report.state !== 'Unhealthy'
}

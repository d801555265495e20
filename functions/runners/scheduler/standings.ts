// Standings: what one demand makes of each kind of hosts, asked once a kind.
import { passes, type Rules } from './filters.ts'
import type { HostRow } from './hostRow.ts'
import type { Kinds } from './kinds.ts'
import { preference } from './score.ts'
import type { Zones } from './zones.ts'

const unknown = -2
const unsuited = -1

export class Standings {
  readonly #rules: Rules
  readonly #zones: Zones | undefined
  /** By number of the kind. */
  #preference = new Int16Array(0)
  #zone = new Int32Array(0)
  #kindChanges = 0

  constructor(rules: Rules, zones: Zones | undefined) {
    this.#rules = rules
    this.#zones = zones
  }

  /** To be called whenever kinds may have come or changed. */
  follow(kinds: Kinds): void {
    if (kinds.count > this.#preference.length) this.#grow(kinds.count)
    if (kinds.changes !== this.#kindChanges) this.#preference.fill(unknown)
    this.#kindChanges = kinds.changes
  }

  /** The part of the score that the kind decides, -1 when its hosts do not suit, undefined when not yet known. */
  preferenceOf(kind: number): number | undefined {
    const known = this.#preference[kind] as number
    return known === unknown ? undefined : known
  }

  /** The zone of the hosts of a known kind; -1 without one. */
  zoneOf(kind: number): number {
    return this.#zone[kind] as number
  }

  /** Gets to know a kind by one host of it. */
  put(kind: number, row: HostRow): number {
    const liked = passes(this.#rules.suits, row)
      ? preference(this.#rules.demand, row.description.labels)
      : unsuited
    this.#preference[kind] = liked
    this.#zone[kind] = this.#zones?.zoneOf(row) ?? -1
    return liked
  }

  #grow(least: number): void {
    const size = Math.max(least, this.#preference.length * 2, 16)
    const preferences = new Int16Array(size).fill(unknown, this.#preference.length)
    preferences.set(this.#preference)
    this.#preference = preferences
    const zones = new Int32Array(size)
    zones.set(this.#zone)
    this.#zone = zones
  }
}

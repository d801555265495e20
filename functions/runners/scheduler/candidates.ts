// Candidates: the hosts that can take a ship of one demand, best first, kept up to date by what changed.
//
// INVARIANTS
// - Before every answer the change log is replayed, so an answer is true at the moment it is given.
// - A host is ranked if and only if all filters admit it; the lane is its zone when the demand spreads.
import type { Board } from './board.ts'
import { passes, type Rules } from './filters.ts'
import type { HostRow } from './hostRow.ts'
import { Ranking } from './ranking.ts'
import { fill, preference } from './score.ts'
import { Zones } from './zones.ts'

/** What of a host changes only with its description. */
interface Standing {
  row: HostRow
  suits: boolean
  preference: number
}

export class Candidates {
  readonly #board: Board
  readonly #rules: Rules
  readonly #zones: Zones | undefined
  readonly #ranking = new Ranking()
  readonly #standings: (Standing | undefined)[] = []
  #version = -1

  constructor(board: Board, rules: Rules) {
    this.#board = board
    this.#rules = rules
    const { spread } = rules.demand.placement
    if (spread) this.#zones = new Zones(spread, rules.demand.fleet)
  }

  /** The best host, or, when only hosts to avoid are left, the one to avoid that comes first. */
  best(avoid: readonly string[]): HostRow | undefined {
    const pinned = this.#rules.demand.placement.host
    if (pinned !== undefined) return this.#pinned(pinned)
    this.#catchUp()
    const slot = this.#bestSlot(avoid)
    if (slot >= 0) return this.#board.rows[slot]
    // A host that failed twice stands in the list twice: its last failure counts.
    const longestAgo = avoid.filter((id, i) => avoid.lastIndexOf(id) === i)
    return longestAgo.map((id) => this.#board.host(id)).find((row) => row && this.#mayTake(row.slot))
  }

  /** Whether one more ship in the host's zone keeps the fleet within its skew. Any host will do without spread. */
  keepsSpread(row: HostRow): boolean {
    if (!this.#zones) return true
    this.#catchUp()
    return this.#zones.open(this.#zones.zoneOf(row))
  }

  /** A pinned demand looks at its one host and needs no ranking, unless its zone is to be weighed. */
  #pinned(id: string): HostRow | undefined {
    const row = this.#board.host(id)
    if (!row || !passes(this.#rules.suits, row) || !passes(this.#rules.room, row)) return undefined
    return row
  }

  #bestSlot(avoid: readonly string[]): number {
    const { rows } = this.#board
    const passOver = avoid.length > 0 ? (slot: number) => avoid.includes(rows[slot]?.id as string) : undefined
    if (!this.#zones) return this.#ranking.best(0, passOver)
    let best = -1
    let bestScore = -1
    for (const zone of this.#zones.allOpen()) {
      const slot = this.#ranking.best(zone, passOver)
      const score = slot < 0 ? -1 : this.#ranking.scoreOf(slot)
      if (score > bestScore) [best, bestScore] = [slot, score]
    }
    return best
  }

  #mayTake(slot: number): boolean {
    const row = this.#board.rows[slot]
    if (!row || this.#ranking.scoreOf(slot) < 0) return false
    return !this.#zones || this.#zones.open(this.#zones.zoneOf(row))
  }

  #catchUp(): void {
    const { changes, rows } = this.#board
    if (this.#version === changes.version) return
    const limit = this.#version < 0 ? -1 : Math.max(64, rows.length)
    if (!changes.replay(this.#version, limit, this.#weigh)) {
      for (let slot = 0; slot < rows.length; slot++) this.#weigh(slot)
    }
    this.#version = changes.version
  }

  readonly #weigh = (slot: number): void => {
    const row = this.#board.rows[slot]
    const before = this.#standings[slot]
    if (!row) {
      this.#standings[slot] = undefined
      this.#ranking.set(slot, 0, -1)
      this.#zones?.weigh(slot, undefined, false)
      return
    }
    const standing = before?.row === row ? before : this.#stand(row)
    this.#standings[slot] = standing
    const zone = this.#zones?.weigh(slot, row, standing.suits) ?? 0
    const fits = standing.suits && passes(this.#rules.room, row)
    this.#ranking.set(slot, zone, fits ? standing.preference + fill(this.#rules.demand, row) : -1)
  }

  #stand(row: HostRow): Standing {
    const suits = passes(this.#rules.suits, row)
    return { row, suits, preference: suits ? preference(this.#rules.demand, row) : 0 }
  }
}

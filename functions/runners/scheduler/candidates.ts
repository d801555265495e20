// Candidates: the hosts that can take a ship of one demand, best first, kept up to date by what changed.
//
// INVARIANTS
// - Before every answer the change log is replayed, so an answer is true at the moment it is given.
// - In a tight cluster hosts score otherwise (`openings.ts`), so there are two orders. Each is kept up when it is
//   asked, so that a cluster at the turn does not cost a look at all hosts each time.
// - A host is ranked if and only if all filters admit it; the lane is its zone when the demand spreads.
import type { Board } from './board.ts'
import { cell, rowCells } from './cells.ts'
import { homeBound, passes, type Rules } from './filters.ts'
import { Gauge } from './gauge.ts'
import type { HostRow } from './hostRow.ts'
import type { MatesBySlot } from './mates.ts'
import { Ranking } from './ranking.ts'
import { Standings } from './standings.ts'
import type { Stock } from './stock.ts'
import { Zones } from './zones.ts'

/** Hosts as they rank while the cluster is tight, or while it is not. */
interface Order {
  readonly isTight: boolean
  readonly ranking: Ranking
  /** Of the change log, up to which it is true. */
  version: number
}

export class Candidates {
  readonly #board: Board
  readonly #stock: Stock
  readonly #rules: Rules
  readonly #gauge: Gauge
  readonly #zones: Zones | undefined
  readonly #standings: Standings
  readonly #mattersTo: string | null
  #mates: MatesBySlot = new Map()
  #order = newOrder(false)
  /** Until so much has changed that it would be made anew in any case. */
  #otherOrder: Order | undefined

  constructor(board: Board, rules: Rules) {
    this.#board = board
    this.#stock = board.stock
    this.#rules = rules
    this.#gauge = new Gauge(board, rules)
    const { spread, antiAffinity } = rules.demand.placement
    if (spread) this.#zones = new Zones(spread)
    this.#standings = new Standings(rules, this.#zones)
    this.#mattersTo = spread || antiAffinity !== 'none' ? rules.demand.fleet : null
  }

  /** The best host, or, when only hosts to avoid are left, the one to avoid that comes first. */
  best(avoid: readonly string[]): HostRow | undefined {
    const pinned = this.#rules.demand.placement.host
    if (pinned !== undefined) return this.#pinned(pinned)
    const { home } = this.#rules.demand
    if (home && (home.only || !avoid.includes(home.host))) {
      const row = this.#pinned(home.host)
      if (row && this.keepsSpread(row)) return row
      if (homeBound(this.#board, this.#rules)) return undefined
    }
    this.#catchUp()
    const slot = this.#bestSlot(avoid)
    if (slot >= 0) return this.#board.rows[slot]
    // A host that failed twice stands in the list twice: its last failure counts.
    const longestAgo = avoid.filter((id, i) => avoid.lastIndexOf(id) === i)
    return longestAgo.map((id) => this.#board.host(id)).find((row) => row && this.#mayTake(row))
  }

  /** Whether one more ship in the host's zone keeps the fleet within its skew; a pinned ship asks no zone. */
  keepsSpread(row: HostRow): boolean {
    if (!this.#zones || this.#rules.demand.placement.host !== undefined) return true
    this.#catchUp()
    return this.#zones.isOpen(this.#zones.zoneOf(row), this.#zones.bound)
  }

  /** A pinned demand looks at its one host and needs no ranking. */
  #pinned(id: string): HostRow | undefined {
    const row = this.#board.host(id)
    if (!row || !passes(this.#rules.suits, row) || !passes(this.#rules.room, row)) return undefined
    return row
  }

  #bestSlot(avoid: readonly string[]): number {
    const { rows } = this.#board
    const passOver = avoid.length > 0 ? (slot: number) => avoid.includes(rows[slot]?.id as string) : undefined
    const zones = this.#zones
    if (!zones) return this.#order.ranking.best(0, passOver)
    let best = -1
    let bestScore = -1
    const { bound } = zones
    for (let zone = 0; zone < zones.count; zone++) {
      if (!zones.isOpen(zone, bound)) continue
      const slot = this.#order.ranking.best(zone, passOver)
      const score = slot < 0 ? -1 : this.#order.ranking.scoreOf(slot)
      if (score <= bestScore) continue
      best = slot
      bestScore = score
    }
    return best
  }

  #mayTake(row: HostRow): boolean {
    return this.#order.ranking.scoreOf(row.slot) >= 0 && this.keepsSpread(row)
  }

  #catchUp(): void {
    const { changes, rows } = this.#board
    const { version } = changes
    const { isTight } = this.#gauge
    if (this.#order.isTight !== isTight) {
      const before = this.#order
      this.#order = this.#otherOrder ?? newOrder(isTight)
      this.#otherOrder = before
    }
    const order = this.#order
    if (order.version === version) return
    const { kinds, mates } = this.#board.stock
    this.#mates = mates.of(this.#mattersTo)
    this.#standings.follow(kinds)
    if (this.#isFarBehind(order)) {
      for (let slot = 0; slot < rows.length; slot++) this.#weigh(slot)
    } else {
      for (let change = order.version; change < version; change++) {
        const slot = changes.slotOf(change)
        if (slot >= 0) this.#weigh(slot)
      }
    }
    order.version = version
    if (this.#otherOrder && this.#isFarBehind(this.#otherOrder)) this.#otherOrder = undefined
  }

  /** Whether looking at all hosts is less work than at what changed since. */
  #isFarBehind({ version }: Order): boolean {
    const { changes, rows } = this.#board
    const behind = changes.version - version
    return version < 0 || behind > Math.max(64, rows.length) || !changes.reachesBackTo(version)
  }

  #weigh(slot: number): void {
    const kind = this.#stock.table[slot * rowCells + cell.kind] as number
    let preference = kind < 0 ? -1 : this.#standings.preferenceOf(kind)
    if (preference === undefined) preference = this.#standings.put(kind, this.#board.rows[slot] as HostRow)
    let lane = 0
    if (this.#zones) {
      const zone = kind < 0 ? -1 : this.#standings.zoneOf(kind)
      this.#zones.weigh(slot, zone, this.#mates.get(slot) ?? 0, preference >= 0)
      lane = Math.max(0, zone)
    }
    const score = preference < 0 ? -1 : this.#gauge.weigh(slot, this.#mates)
    this.#order.ranking.set(slot, lane, score < 0 ? -1 : preference + score)
  }
}

function newOrder(isTight: boolean): Order {
  return { isTight, ranking: new Ranking(), version: -1 }
}

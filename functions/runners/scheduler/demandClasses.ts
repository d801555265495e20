// DemandClasses: the rules and candidates of each demand in use, kept from one decision to the next.
import type { Demand } from '../../../shared/model/ticket.ts'
import type { Board } from './board.ts'
import { Candidates } from './candidates.ts'
import { type Explained, Explainer } from './explain.ts'
import { type Rules, rulesOf } from './filters.ts'
import { Gauge } from './gauge.ts'

/** All candidates together rank about this many hosts: some 20 bytes each, twice that at the turn to a tight cluster. */
const ranksKept = 20_000_000
const classesKept = 20_000

export type DemandClass = Explained

interface Shared {
  candidates: Candidates
  usedAt: number
}

export class DemandClasses {
  readonly #board: Board
  readonly #classes = new Map<string, DemandClass & { shared: Shared }>()
  /** Demands for which every host is as good or bad, whatever their fleets and ports are called, share these. */
  readonly #shared = new Map<string, Shared>()
  readonly explainer: Explainer
  #uses = 0

  constructor(board: Board) {
    this.#board = board
    this.explainer = new Explainer(board)
  }

  of(key: string, demand: Demand): DemandClass {
    const known = this.#classes.get(key) ?? this.#make(key, demand)
    known.shared.usedAt = this.#uses++
    return known
  }

  #make(key: string, demand: Demand): DemandClass & { shared: Shared } {
    const rules = rulesOf(demand)
    const sameHosts = likenessOf(rules)
    let shared = this.#shared.get(sameHosts)
    if (!shared) {
      shared = { candidates: new Candidates(this.#board, rules), usedAt: this.#uses }
      this.#shared.set(sameHosts, shared)
      this.#forget()
    }
    const { candidates } = shared
    const made = { rules, candidates, gauge: new Gauge(this.#board, rules), surveyed: undefined, shared }
    if (this.#classes.size >= classesKept) this.#classes.clear()
    this.#classes.set(key, made)
    return made
  }

  /** Lets go of what was not used for longest, a quarter at a time. */
  #forget(): void {
    const limit = Math.max(32, Math.floor(ranksKept / (this.#board.size + 1)))
    if (this.#shared.size <= limit) return
    const byUse = [...this.#shared].sort(([, a], [, b]) => a.usedAt - b.usedAt)
    const old = new Set<Shared>()
    for (const [key, shared] of byUse.slice(0, Math.ceil(limit / 4))) {
      this.#shared.delete(key)
      old.add(shared)
    }
    for (const [key, { shared }] of this.#classes) if (old.has(shared)) this.#classes.delete(key)
  }
}

/** Equal for demands to which every host looks the same. */
function likenessOf({ demand, ports }: Rules): string {
  const { resources, placement, fleet, home } = demand
  const mates = placement.spread || placement.antiAffinity !== 'none' ? fleet : null
  return JSON.stringify([
    resources,
    placement,
    mates,
    ports.fixedNumbers,
    ports.any.length,
    [...ports.named].map(([range, { length }]) => [range, length]).sort(),
    ports.clash,
    home,
  ])
}

// DemandClasses: the rules and candidates of each demand in use, kept from one decision to the next.
import type { Demand } from '../../../shared/model/ticket.ts'
import type { Board } from './board.ts'
import { Candidates } from './candidates.ts'
import { type Rules, rulesOf } from './filters.ts'

/** All classes together keep about this many standings of hosts: some 100 bytes each. */
const standingsKept = 5_000_000

export interface DemandClass {
  rules: Rules
  candidates: Candidates
}

export class DemandClasses {
  readonly #board: Board
  /** Least lately used first. */
  readonly #classes = new Map<string, DemandClass>()

  constructor(board: Board) {
    this.#board = board
  }

  of(key: string, demand: Demand): DemandClass {
    const known = this.#classes.get(key)
    if (known) {
      this.#classes.delete(key)
      this.#classes.set(key, known)
      return known
    }
    const rules = rulesOf(demand)
    const made = { rules, candidates: new Candidates(this.#board, rules) }
    this.#classes.set(key, made)
    this.#forget()
    return made
  }

  #forget(): void {
    const limit = Math.max(32, Math.floor(standingsKept / (this.#board.size + 1)))
    for (const key of this.#classes.keys()) {
      if (this.#classes.size <= limit) return
      this.#classes.delete(key)
    }
  }
}

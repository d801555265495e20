// Explain: why a ship goes to the host that was chosen, from a survey of its demand that is at most a little old.
//
// INVARIANTS
// - It changes no decision.
// - Surveys look at so many hosts a second at most: placing comes first. A survey may then be older than
//   `surveyedEveryMs`; a demand that has none yet gets one in any case, for its candidates cost as much.
import type { Explanation, Score } from '../../../shared/model/explanation.ts'
import type { Board } from './board.ts'
import type { Candidates } from './candidates.ts'
import type { Rules } from './filters.ts'
import type { Gauge } from './gauge.ts'
import type { HostRow } from './hostRow.ts'
import { apart, fineness, preference } from './score.ts'
import { counted, survey } from './survey.ts'

const surveyedEveryMs = 5_000
/** One takes 0.1 us or so a host: this is 2 % of the time. */
const hostsEachSecond = 200_000
const hostsAtOnce = 400_000

/** One demand, as far as it is explained. */
export interface Explained {
  readonly rules: Rules
  readonly candidates: Candidates
  readonly gauge: Gauge
  /** What the last survey for an explanation found. */
  surveyed: { counts: Explanation; atMs: number } | undefined
}

export class Explainer {
  readonly #board: Board
  /** Hosts that may be looked at now. */
  #budget = hostsAtOnce
  #budgetAtMs = Number.NEGATIVE_INFINITY

  constructor(board: Board) {
    this.#board = board
  }

  /** To be asked before the ship is on the board. */
  why(demandClass: Explained, row: HostRow, nowMs: number): Explanation {
    const { hosts, feasible, ruledOut } = this.#counts(demandClass, nowMs)
    return { hosts, feasible, ruledOut, score: this.#score(demandClass, row) }
  }

  #counts(demandClass: Explained, nowMs: number): Explanation {
    const { rules, candidates, surveyed } = demandClass
    if (surveyed && (nowMs - surveyed.atMs < surveyedEveryMs || !this.#mayLook(nowMs))) return surveyed.counts
    this.#budget -= this.#board.size
    const counts = counted(survey(this.#board, rules, candidates))
    demandClass.surveyed = { counts, atMs: nowMs }
    return counts
  }

  #mayLook(nowMs: number): boolean {
    const gained = ((nowMs - this.#budgetAtMs) / 1_000) * hostsEachSecond
    this.#budget = Math.min(hostsAtOnce, this.#budget + gained)
    this.#budgetAtMs = nowMs
    return this.#budget >= this.#board.size || this.#budget >= hostsAtOnce
  }

  #score({ rules, gauge }: Explained, row: HostRow): Score {
    const { demand } = rules
    const { antiAffinity } = demand.placement
    const mates = this.#board.stock.mates.of(demand.fleet)
    const fromMates =
      antiAffinity === 'preferred' && demand.fleet !== null ? apart(mates.get(row.slot) ?? 0) : 0
    const points = (part: number) => Math.round(part / fineness)
    return {
      strategy: points(Math.max(0, gauge.weigh(row.slot, mates)) - fromMates),
      preferred: points(preference(demand, row.description.labels)),
      apart: points(fromMates),
    }
  }
}

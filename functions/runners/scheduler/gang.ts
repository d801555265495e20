// Gang: ships that are placed all or not at all.
//
// INVARIANTS
// - A gang that is refused leaves the board as it was, but for the number at which the search for ports goes on.
// - Of ships that ask for the same, a gang is refused only when no placement of all of them exists.
import type { Board } from './board.ts'
import type { DemandClasses } from './demandClasses.ts'
import type { Entry } from './pile.ts'
import { type Placed, place } from './place.ts'
import { fullCheck } from './refusal.ts'
import { amountOf } from './score.ts'

/** A ship of a gang, with the key of its demand. */
export interface Member {
  entry: Entry
  key: string
}

interface GangQuestion {
  board: Board
  classes: DemandClasses
  members: readonly Member[]
  nowMs: number
}

/** Places all or none. The largest go first, because the small ones find room in what they leave. */
export function placeGang(question: GangQuestion): { placed: Placed[] } | { reason: string } {
  const { board, classes, members, nowMs } = question
  const placed: Placed[] = []
  const size = ({ entry }: Member) => amountOf(entry.ticket.demand.resources)
  for (const { entry, key } of [...members].sort((a, b) => size(b) - size(a))) {
    const { rules, candidates } = classes.of(key, entry.ticket.demand)
    const best = candidates.best(entry.ticket.avoidHosts)
    const finding = best ? { host: best } : fullCheck(board, rules, candidates)
    if ('reason' in finding) {
      for (const one of placed.reverse()) board.drop(one.entry.ticket.ship, one.entry.ticket.attempt)
      return {
        reason: `of ${members.length} ships to be placed together ${placed.length} have room; ${finding.reason}`,
      }
    }
    placed.push(place(board, rules, finding.host, entry, nowMs))
  }
  return { placed }
}

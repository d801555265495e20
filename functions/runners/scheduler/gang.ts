// Gang: ships that are placed all or not at all.
//
// INVARIANTS
// - A gang that is refused leaves the board as it was, but for the number at which the search for ports goes on.
// - Of ships that ask for the same, a gang is refused only when no placement of all of them exists.
// - Trials that fail take a small share of the time, however many gangs wait, and hold back nobody else.
import type { Explanation } from '../../../shared/model/explanation.ts'
import type { Board } from './board.ts'
import type { DemandClasses } from './demandClasses.ts'
import type { Muster } from './muster.ts'
import type { Entry, Group, Pile } from './pile.ts'
import { type Placed, place } from './place.ts'
import { checkEveryMs, fullCheck, shorten } from './refusal.ts'
import { amountOf } from './score.ts'

/** A ship takes some 10 us to be placed and taken back; its demand then rests for twenty times as long. */
const restMsEachShip = 0.2

/** A ship of a gang, with the key of its demand. */
export interface Member {
  entry: Entry
  key: string
}

export interface GangQuestion {
  board: Board
  classes: DemandClasses
  members: readonly Member[]
  nowMs: number
  /** Whether a refusal is checked on all hosts; else the word of the index is enough, and there is no reason. */
  mayCheck: boolean
}

export interface GangRefusal {
  /** So many had room, the largest first. */
  room: number
  /** Why the next one had none. */
  check: { reason: string; why: Explanation } | undefined
}

/** Places all or none. The largest go first, because the small ones find room in what they leave. */
export function placeGang(question: GangQuestion): { placed: Placed[] } | GangRefusal {
  const { board, classes, members, nowMs, mayCheck } = question
  const placed: Placed[] = []
  const size = ({ entry }: Member) => amountOf(entry.ticket.demand.resources)
  for (const { entry, key } of [...members].sort((a, b) => size(b) - size(a))) {
    const demandClass = classes.of(key, entry.ticket.demand)
    const best = demandClass.candidates.best(entry.ticket.avoidHosts)
    const finding = best ? { host: best } : mayCheck ? fullCheck(board, demandClass) : undefined
    if (!finding || 'reason' in finding) {
      for (const one of [...placed].reverse()) board.drop(one.entry.ticket.ship, one.entry.ticket.attempt)
      return { room: placed.length, check: finding }
    }
    placed.push(place(board, classes, demandClass, finding.host, entry, nowMs))
  }
  return { placed }
}

/** The gangs of one turn, and what their trials have shown so far. */
export class GangTurn {
  readonly #question: { board: Board; pile: Pile; classes: DemandClasses; nowMs: number }
  readonly #demands: number
  /** By demand: the last refused gang of such ships. The room that it had only becomes less within a turn. */
  readonly #refused = new Map<string, GangRefusal & { restsUntilMs: number }>()

  /** @param demands of the gangs that are to be placed. */
  constructor(
    question: { board: Board; pile: Pile; classes: DemandClasses; nowMs: number },
    demands: number,
  ) {
    this.#question = question
    this.#demands = demands
  }

  /** Takes and places all of the gang that wait; undefined leaves them waiting, and the group says why. */
  place(group: Group, muster: Muster): Placed[] | undefined {
    const { board, pile, classes, nowMs } = this.#question
    if (nowMs < muster.restsUntilMs) return undefined
    muster.triedAtMs = nowMs
    const members = pile
      .waitingOf(group)
      .map((entry): Member => ({ entry, key: pile.demandKey(entry.ticket.demand) }))
    const mayCheck = group.reason === undefined || nowMs - group.checkedAtMs >= checkEveryMs
    const [alike] = members.every(({ key }) => key === members[0]?.key) ? members : []
    const before = alike && this.#refused.get(alike.key)
    if (before && before.room < members.length && (before.check || !mayCheck)) {
      if (mayCheck) this.#tell(group, before, members.length)
      muster.restsUntilMs = before.restsUntilMs
      return undefined
    }
    const result = placeGang({ board, classes, members, nowMs, mayCheck })
    if ('placed' in result) {
      group.reason = undefined
      pile.takeAll(group)
      return result.placed
    }
    const restMs = restMsEachShip * (result.room + 1) * this.#demands
    const restsUntilMs = nowMs + Math.min(checkEveryMs, restMs)
    muster.restsUntilMs = restsUntilMs
    this.#tell(group, result, members.length)
    if (alike) this.#refused.set(alike.key, { ...result, restsUntilMs })
    return undefined
  }

  #tell(group: Group, { room, check }: GangRefusal, count: number): void {
    if (!check) return
    group.checkedAtMs = this.#question.nowMs
    group.reason = shorten(`room for ${room} of ${count} ships that go together; ${check.reason}`)
    group.why = check.why
  }
}

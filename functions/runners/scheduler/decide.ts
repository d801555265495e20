// Decide: which ticket goes to which host, with which ports; the whole of scheduling, without any I/O.
//
// INVARIANTS
// - Tickets are tried in the order of the pile. A demand that does not fit holds back its own tickets only.
// - A placement is on the board before the next decision is made.
// - A gang stands where its first ship stands, and all of it goes in one turn.
// - "No room" is said only after a full check of every host, made for a demand once in `checkEveryMs` at most.
// - The same board, pile and time give the same decisions.
import type { Board } from './board.ts'
import type { DemandClass, DemandClasses } from './demandClasses.ts'
import { GangTurn } from './gang.ts'
import { Heap } from './heap.ts'
import type { HostRow } from './hostRow.ts'
import type { Group, Pile } from './pile.ts'
import { type Placed, place } from './place.ts'
import { checkEveryMs, fullCheck } from './refusal.ts'
import { isComplete } from './rollCall.ts'

export interface Decisions {
  placed: Placed[]
  /** Demands that fit nowhere now; each group says why. */
  blocked: Group[]
  /** True when `limit` ended the turn. */
  more: boolean
}

export interface Question {
  board: Board
  pile: Pile
  classes: DemandClasses
  nowMs: number
  /** Most placements in one turn, so that the first ships need not wait for the last; but for the rest of a gang. */
  limit: number
}

export function decide(question: Question): Decisions {
  const { board, pile, classes, nowMs, limit } = question
  const placed: Placed[] = []
  const blocked: Group[] = []
  const open = new Heap<Group>((group) => pile.next(group)?.order ?? Number.POSITIVE_INFINITY)
  const gangDemands = new Set<string>()
  for (const group of pile.groups) {
    if (group.muster && !isComplete(group.muster, pile, board)) continue
    if (group.muster) gangDemands.add(pile.demandKey(group.demand))
    // Thousands that rest would make each turn long for everybody else.
    if (group.muster && nowMs < group.muster.restsUntilMs) blocked.push(group)
    else open.push(group)
  }
  const gangs = new GangTurn(question, gangDemands.size)
  while (placed.length < limit) {
    const group = open.first
    const entry = group && pile.next(group)
    if (!group || !entry) break
    if (group.muster) {
      const all = gangs.place(group, group.muster)
      if (all) placed.push(...all)
      else blocked.push(group)
      open.pop()
      continue
    }
    const demandClass = classes.of(group.key, group.demand)
    const host =
      demandClass.candidates.best(entry.ticket.avoidHosts) ?? look(board, demandClass, group, nowMs)
    if (!host) {
      blocked.push(group)
      open.pop()
      continue
    }
    placed.push(place(board, classes, demandClass, host, entry, nowMs))
    group.reason = undefined
    pile.take(group)
    if (pile.next(group)) open.sinkFirst()
    else open.pop()
  }
  return { placed, blocked, more: placed.length >= limit && open.size > 0 }
}

/** The index knows no host: is that so? Between two full checks its word is enough to wait, not to refuse. */
function look(board: Board, demandClass: DemandClass, group: Group, nowMs: number): HostRow | undefined {
  if (group.reason !== undefined && nowMs - group.checkedAtMs < checkEveryMs) return undefined
  group.checkedAtMs = nowMs
  const finding = fullCheck(board, demandClass)
  if ('host' in finding) return finding.host
  group.reason = finding.reason
  group.why = finding.why
  return undefined
}

/** When a group that is blocked has to be looked at again, although nothing changes. */
export function lookAgainAtMs({ checkedAtMs, muster }: Group, nowMs: number): number {
  if (checkedAtMs === nowMs) return Number.POSITIVE_INFINITY
  if (muster && muster.triedAtMs < nowMs) return muster.restsUntilMs
  return checkedAtMs + checkEveryMs
}

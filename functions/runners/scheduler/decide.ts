// Decide: which ticket goes to which host, with which ports; the whole of scheduling, without any I/O.
//
// INVARIANTS
// - Tickets are tried in the order of the pile. A demand that does not fit holds back its own tickets only.
// - A placement is on the board before the next decision is made.
// - "No room" is said only after a full check of every host, made for a demand once in `checkEveryMs` at most.
// - The same board, pile and time give the same decisions.
import type { Board } from './board.ts'
import type { DemandClass, DemandClasses } from './demandClasses.ts'
import { Heap } from './heap.ts'
import type { HostRow } from './hostRow.ts'
import type { Group, Pile } from './pile.ts'
import { type Placed, place } from './place.ts'
import { fullCheck } from './refusal.ts'

export const checkEveryMs = 5_000

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
  /** Most placements in one turn, so that the first ships need not wait for the last. */
  limit: number
}

export function decide({ board, pile, classes, nowMs, limit }: Question): Decisions {
  const placed: Placed[] = []
  const blocked: Group[] = []
  const open = new Heap<Group>((group) => pile.next(group)?.order ?? Number.POSITIVE_INFINITY)
  for (const group of pile.groups) open.push(group)
  while (placed.length < limit) {
    const group = open.first
    const entry = group && pile.next(group)
    if (!group || !entry) break
    const demandClass = classes.of(group.key, group.demand)
    const host =
      demandClass.candidates.best(entry.ticket.avoidHosts) ?? look(board, demandClass, group, nowMs)
    if (!host) {
      blocked.push(group)
      open.pop()
      continue
    }
    const why = classes.explainer.why(demandClass, host, nowMs)
    placed.push({ ...place(board, demandClass.rules, host, entry, nowMs), why })
    group.reason = undefined
    pile.take(group)
    if (pile.next(group)) open.sinkFirst()
    else open.pop()
  }
  return { placed, blocked, more: placed.length >= limit && open.size > 0 }
}

/** The index knows no host: is that so? Between two full checks its word is enough to wait, not to refuse. */
function look(
  board: Board,
  { rules, candidates }: DemandClass,
  group: Group,
  nowMs: number,
): HostRow | undefined {
  if (group.reason !== undefined && nowMs - group.checkedAtMs < checkEveryMs) return undefined
  group.checkedAtMs = nowMs
  const finding = fullCheck(board, rules, candidates)
  if ('host' in finding) return finding.host
  group.reason = finding.reason
  group.why = finding.why
  return undefined
}

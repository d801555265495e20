// Refusal: the full check behind a "no room", host by host, and its result as one sentence for people.
import type { Explanation } from '../../../shared/model/explanation.ts'
import type { Board } from './board.ts'
import type { DemandClass } from './demandClasses.ts'
import type { Rules } from './filters.ts'
import type { HostRow } from './hostRow.ts'
import { counted, type Survey, survey } from './survey.ts'

/** A demand, or a gang, is checked so often at most. */
export const checkEveryMs = 5_000
/** As long as a refusal may be on the way to the ApiServer. */
const longest = 1_000

/** Either a host that can take the ship after all, or why none can. */
export type Finding = { host: HostRow } | { reason: string; why: Explanation }

/** Looks at every host, most common reason first. */
export function fullCheck(
  board: Board,
  { rules, candidates }: Pick<DemandClass, 'rules' | 'candidates'>,
): Finding {
  const found = survey(board, rules, candidates)
  const [host] = found.feasible
  return host ? { host } : { reason: reasonOf(board, rules, found), why: counted(found) }
}

function reasonOf(board: Board, { demand }: Rules, { hosts, refusedBy, unspread }: Survey): string {
  const { host: pinned, spread } = demand.placement
  if (board.size === 0) return 'no host is online: join one, or start the agent of one that has joined'
  if (hosts === 0) return `host ${pinned}, to which it is pinned, is not there`
  const groups = [...refusedBy].map(([filter, rows]) => ({ rows, phrase: filter.phrase(rows) }))
  if (unspread.length > 0 && spread) {
    const phrase = `would put the zones of label ${spread.label} more than ${spread.maxSkew} apart`
    groups.push({ rows: unspread, phrase })
  }
  groups.sort((a, b) => b.rows.length - a.rows.length)
  return shorten(groups.map(({ rows, phrase }) => `${numbered(rows)}: ${phrase}`).join('; '))
}

function numbered(rows: readonly HostRow[]): string {
  return rows.length === 1 ? '1 host' : `${rows.length} hosts`
}

export function shorten(text: string): string {
  return text.length > longest ? `${text.slice(0, longest - 1)}…` : text
}

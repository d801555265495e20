// Survey: all hosts looked at once for one demand, and told apart by the first filter that refuses them.
import { type Explanation, type PlacementRule, rulesNamed } from '../../../shared/model/explanation.ts'
import type { Board } from './board.ts'
import type { Candidates } from './candidates.ts'
import { cell, rowCells } from './cells.ts'
import { type Filter, hostsFor, type Rules } from './filters.ts'
import type { HostRow } from './hostRow.ts'

export interface Survey {
  /** Hosts that were looked at: one when the demand is pinned. */
  hosts: number
  feasible: HostRow[]
  refusedBy: ReadonlyMap<Filter, HostRow[]>
  /** Whose zone has too many fleet mates; nothing else is wrong with them. */
  unspread: HostRow[]
}

export function survey(board: Board, rules: Rules, candidates: Candidates): Survey {
  const refusedBy = new Map<Filter, HostRow[]>()
  const { table } = board.stock
  // Hosts of one kind are alike to all `suits` filters.
  const unsuited = new Map<number, Filter | undefined>()
  const found = { hosts: 0, feasible: [] as HostRow[], refusedBy, unspread: [] as HostRow[] }
  for (const row of hostsFor(board, rules)) {
    if (!row) continue
    found.hosts++
    const kind = table[row.slot * rowCells + cell.kind] as number
    let filter = unsuited.get(kind)
    if (!filter && !unsuited.has(kind)) {
      filter = rules.suits.find((one) => !one.admits(row))
      // A pinned demand tells hosts apart by their ids, and looks at one.
      unsuited.set(kind, filter)
    }
    filter ??= refusing(rules.room, row)
    if (filter) add(refusedBy, filter, row)
    else if (candidates.keepsSpread(row)) found.feasible.push(row)
    else found.unspread.push(row)
  }
  return found
}

/** The counts of a survey, as a ship's record keeps them. */
export function counted({ hosts, feasible, refusedBy, unspread }: Survey): Explanation {
  const byRule = new Map<PlacementRule, number>()
  for (const [{ rule }, rows] of refusedBy) byRule.set(rule, (byRule.get(rule) ?? 0) + rows.length)
  if (unspread.length > 0) byRule.set('spread', unspread.length)
  const most = [...byRule].sort(([, a], [, b]) => b - a).slice(0, rulesNamed)
  return { hosts, feasible: feasible.length, ruledOut: Object.fromEntries(most) }
}

function refusing(filters: readonly Filter[], row: HostRow): Filter | undefined {
  for (const filter of filters) if (!filter.admits(row)) return filter
  return undefined
}

function add(groups: Map<Filter, HostRow[]>, filter: Filter, row: HostRow): void {
  const rows = groups.get(filter)
  if (rows) rows.push(row)
  else groups.set(filter, [row])
}

// Refusal: the full check behind a "no room", host by host, and its result as one sentence for people.
import type { Board } from './board.ts'
import type { Candidates } from './candidates.ts'
import type { Filter, Rules } from './filters.ts'
import type { HostRow } from './hostRow.ts'

/** As long as a refusal may be on the way to the ApiServer. */
const longest = 1_000

/** Either a host that can take the ship after all, or why none can. */
export type Finding = { host: HostRow } | { reason: string }

/** Looks at every host, most common reason first. */
export function fullCheck(board: Board, rules: Rules, candidates: Candidates): Finding {
  const { host: pinned, spread } = rules.demand.placement
  const hosts = pinned === undefined ? board.rows : [board.host(pinned)]
  const refusedBy = new Map<Filter, HostRow[]>()
  const unspread: HostRow[] = []
  let count = 0
  for (const row of hosts) {
    if (!row) continue
    count++
    const filter = rules.suits.find((one) => !one.admits(row)) ?? rules.room.find((one) => !one.admits(row))
    if (filter) add(refusedBy, filter, row)
    else if (candidates.keepsSpread(row)) return { host: row }
    else unspread.push(row)
  }
  if (board.size === 0) return { reason: 'there are no hosts yet: join one' }
  if (count === 0) return { reason: `host ${pinned}, to which it is pinned, is not there` }
  const groups = [...refusedBy].map(([filter, rows]) => ({ rows, phrase: filter.phrase(rows) }))
  if (unspread.length > 0 && spread) {
    const phrase = `would put the zones of label ${spread.label} more than ${spread.maxSkew} apart`
    groups.push({ rows: unspread, phrase })
  }
  groups.sort((a, b) => b.rows.length - a.rows.length)
  return { reason: shorten(groups.map(({ rows, phrase }) => `${counted(rows)}: ${phrase}`).join('; ')) }
}

function counted(rows: readonly HostRow[]): string {
  return rows.length === 1 ? '1 host' : `${rows.length} hosts`
}

function shorten(text: string): string {
  return text.length > longest ? `${text.slice(0, longest - 1)}…` : text
}

function add(groups: Map<Filter, HostRow[]>, filter: Filter, row: HostRow): void {
  const rows = groups.get(filter)
  if (rows) rows.push(row)
  else groups.set(filter, [row])
}

// Contenders: our engine, and four simple ways to choose a host by the same filters.
//
// The simple ones know no spread over zones, which would only cost them more.
import type { Board } from '../../../functions/runners/scheduler/board.ts'
import { cell, rowCells } from '../../../functions/runners/scheduler/cells.ts'
import { decide } from '../../../functions/runners/scheduler/decide.ts'
import { DemandClasses } from '../../../functions/runners/scheduler/demandClasses.ts'
import { passes, type Rules, rulesOf } from '../../../functions/runners/scheduler/filters.ts'
import type { HostRow } from '../../../functions/runners/scheduler/hostRow.ts'
import { Pile } from '../../../functions/runners/scheduler/pile.ts'
import { apart, distributed, preference } from '../../../functions/runners/scheduler/score.ts'
import type { Demand, Ticket } from '../../../shared/model/ticket.ts'
import { type Random, randomOf } from './random.ts'

/** Places what it can of a burst; returns how many. */
export type Contender = (burst: readonly Ticket[], nowMs: number) => number

export const contenders: Record<string, (board: Board) => Contender> = {
  armada: engine,
  'linear best fit': (board) => simple(board, (rows) => rows),
  random: (board) => simple(board, firstOf),
  'best of two': (board) =>
    simple(
      board,
      sampleOf(() => 2),
    ),
  'best of log2(n)': (board) =>
    simple(
      board,
      sampleOf((hosts) => Math.ceil(Math.log2(hosts))),
    ),
}

function engine(board: Board): Contender {
  const pile = new Pile()
  const classes = new DemandClasses(board)
  return (burst, nowMs) => {
    for (const ticket of burst) pile.add(ticket, nowMs)
    const { placed } = decide({ board, pile, classes, nowMs, limit: 4_000 })
    for (const { entry } of placed) pile.remove(entry)
    return placed.length
  }
}

type Rows = readonly (HostRow | undefined)[]
/** The hosts among which the best is taken, all of which have room. */
type Look = (rows: Rows, random: Random, hasRoom: (row: HostRow) => boolean) => Rows

function simple(board: Board, look: Look): Contender {
  const known = new Map<Demand, Rules>()
  const random = randomOf(1)
  return (burst, nowMs) => {
    let placed = 0
    for (const { ship, attempt, demand } of burst) {
      const rules = known.get(demand) ?? rulesOf(demand)
      known.set(demand, rules)
      const hasRoom = (row: HostRow) => passes(rules.room, row) && passes(rules.suits, row)
      let best: HostRow | undefined
      let bestScore = -1
      for (const row of look(board.rows, random, hasRoom)) {
        if (!row || !hasRoom(row)) continue
        const score = scoreOf(board, demand, row)
        if (score > bestScore) [best, bestScore] = [row, score]
      }
      if (!best) continue
      const { numbers } = best.ports.choose(rules.ports)
      const { fleet, resources } = demand
      board.assume(best, { ship, attempt, fleet, resources, hostPorts: numbers }, nowMs)
      placed++
    }
    return placed
  }
}

function scoreOf({ stock: { table } }: Board, demand: Demand, row: HostRow): number {
  const at = row.slot * rowCells
  const strategy = demand.placement.strategy === 'packed' ? fullest(table, at) : distributed(table, at)
  const mates = demand.placement.antiAffinity === 'preferred' ? apart(row.mates(demand.fleet)) : 0
  return strategy + mates + preference(demand, row.description.labels)
}

/** Plain best fit: the host of which least is left, and of empty ones the largest. */
function fullest(table: Float64Array, at: number): number {
  if ((table[at + cell.ships] as number) <= 0) return table[at + cell.size] as number
  const left = (free: number, of: number) =>
    (table[at + free] as number) / Math.max(1, table[at + of] as number)
  const full = 1 - (left(cell.freeCpuMillis, cell.cpuMillis) + left(cell.freeMemoryMiB, cell.memoryMiB)) / 2
  return 64 + Math.floor(full * 335)
}

/** Tries hosts at random until one has room, then all in turn. */
function firstOf(rows: Rows, random: Random, hasRoom: (row: HostRow) => boolean): Rows {
  const start = Math.floor(random() * rows.length)
  for (let i = 0; i < rows.length; i++) {
    const row = i < 64 ? rows[Math.floor(random() * rows.length)] : rows[(start + i) % rows.length]
    if (row && hasRoom(row)) return [row]
  }
  return []
}

function sampleOf(size: (hosts: number) => number): Look {
  return (rows, random, hasRoom) => {
    const sample = Array.from({ length: size(rows.length) }, () => firstOf(rows, random, hasRoom))
    return sample.flat()
  }
}

export function usedHosts({ stock: { table }, size }: Board): number {
  let used = 0
  for (let slot = 0; slot < size; slot++) if ((table[slot * rowCells + cell.ships] as number) > 0) used++
  return used
}

// Gauge: whether a host has room for a ship of one demand and what it scores, from the table of the stock.
//
// INVARIANT: a host has room here if and only if all `room` filters admit it; a test compares the two.
import { othersIn } from '../../../shared/model/resources.ts'
import type { Board } from './board.ts'
import { cell, rowCells } from './cells.ts'
import type { Column } from './extras.ts'
import { passes, type Rules } from './filters.ts'
import type { MatesBySlot } from './mates.ts'
import { type Appetite, apart, appetiteOf, distributed, packed } from './score.ts'
import type { Stock } from './stock.ts'

export class Gauge {
  readonly #board: Board
  readonly #stock: Stock
  readonly #rules: Rules
  readonly #cpuMillis: number
  readonly #memoryMiB: number
  readonly #others: readonly { column: Column; amount: number }[]
  readonly #ports: number
  /** Its ports are not those that the table counts alone. */
  readonly #otherPorts: boolean
  readonly #apart: 'none' | 'preferred' | 'required'
  readonly #packed: boolean
  readonly #appetite: Appetite

  constructor(board: Board, rules: Rules) {
    const { resources, placement, fleet } = rules.demand
    this.#board = board
    this.#stock = board.stock
    this.#rules = rules
    this.#cpuMillis = resources.cpuMillis
    this.#memoryMiB = resources.memoryMiB
    this.#others = othersIn(resources).map(([name, amount]) => ({
      column: board.stock.extras.column(name),
      amount,
    }))
    this.#ports = rules.ports.any.length
    this.#otherPorts = rules.ports.fixedNumbers.length > 0 || rules.ports.named.size > 0
    this.#apart = fleet === null ? 'none' : placement.antiAffinity
    this.#packed = placement.strategy === 'packed'
    this.#appetite = appetiteOf(resources)
  }

  /** Whether hosts score as in a tight cluster now. */
  get isTight(): boolean {
    return this.#packed && this.#stock.openings.isTight
  }

  /** The score without preferences, or -1 when the host has no room. */
  weigh(slot: number, mates: MatesBySlot): number {
    const { table } = this.#stock
    const at = slot * rowCells
    if ((table[at + cell.freeMemoryMiB] as number) < this.#memoryMiB) return -1
    if ((table[at + cell.freeCpuMillis] as number) < this.#cpuMillis) return -1
    for (const { column, amount } of this.#others) if ((column.left[slot] ?? 0) < amount) return -1
    if (this.#ports > 0 && (table[at + cell.freePorts] as number) < this.#ports) return -1
    if (this.#apart === 'required' && mates.has(slot)) return -1
    if (this.#otherPorts) {
      const row = this.#board.rows[slot]
      if (!row || !passes(this.#rules.room, row)) return -1
    }
    const fill = this.#packed ? this.#weighPacked(slot, at) : distributed(table, at)
    return this.#apart === 'preferred' ? fill + apart(mates.get(slot) ?? 0) : fill
  }

  #weighPacked(slot: number, at: number): number {
    const { table, openings } = this.#stock
    const closed = (table[at + cell.ships] as number) <= 0 && !openings.isAjar(slot)
    return closed ? (table[at + cell.size] as number) : packed(table, at, this.#appetite, openings.isTight)
  }
}

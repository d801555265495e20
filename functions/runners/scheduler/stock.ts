// Stock: what is left of all hosts, as numbers in one table, so that an index ranks hosts anew without objects.
import type { Resources } from '../../../shared/model/resources.ts'
import { cell, rowCells } from './cells.ts'
import { Extras } from './extras.ts'
import { type Kind, Kinds } from './kinds.ts'
import { Mates } from './mates.ts'
import { Openings } from './openings.ts'
import { sizeScore } from './score.ts'

export class Stock {
  /** Cell c of a slot stands at `slot * rowCells + c`. Another array as soon as it grows. */
  table = new Float64Array(0)
  readonly kinds = new Kinds()
  readonly mates = new Mates()
  readonly extras = new Extras()
  readonly openings: Openings

  /** @param onTurn is called with each slot whose score changes though what is left of it does not. */
  constructor(onTurn: (slot: number) => void) {
    this.openings = new Openings(onTurn)
  }

  put(slot: number, kind: Kind, capacity: Resources, freePorts: number, takesShips: boolean): void {
    this.#reach(slot)
    const { cpuMillis, memoryMiB } = capacity
    const size = sizeScore(capacity)
    this.table.set(
      [cpuMillis, memoryMiB, freePorts, 0, kind.number, cpuMillis, memoryMiB, size],
      slot * rowCells,
    )
    this.extras.put(slot, capacity)
    if (takesShips) this.openings.enter(slot, capacity)
  }

  /** To be called after what is left of a host has changed. */
  settle(slot: number): void {
    const at = slot * rowCells
    this.openings.follow(
      slot,
      this.table[at + cell.ships] as number,
      this.table[at + cell.freeCpuMillis] as number,
      this.table[at + cell.freeMemoryMiB] as number,
    )
  }

  remove(slot: number): void {
    this.openings.leave(slot)
    this.table[slot * rowCells + cell.kind] = -1
  }

  #reach(slot: number): void {
    if (slot * rowCells < this.table.length) return
    const grown = new Float64Array(Math.max((slot + 1) * rowCells, this.table.length * 2, 64 * rowCells))
    grown.set(this.table)
    for (let at = this.table.length + cell.kind; at < grown.length; at += rowCells) grown[at] = -1
    this.table = grown
  }
}

// Stock: what is left of all hosts, as numbers in one table, so that an index ranks hosts anew without objects.
//
// A host's row is 64 bytes, one line of the processor's cache: most of the time of ranking is waiting for those.
import { type Kind, Kinds } from './kinds.ts'
import { Mates } from './mates.ts'

/** Cells of a row, all of them floats, because what hosts report may add up to more than 31 bits. */
export const cell = {
  freeCpuMillis: 0,
  freeMemoryMiB: 1,
  /** Free numbers of the host's range. */
  freePorts: 2,
  /** Ships that are on it or on their way. */
  ships: 3,
  /** Number of its kind; -1 where no host is. */
  kind: 4,
  /** Capacities. */
  cpuMillis: 5,
  memoryMiB: 6,
} as const

/** Cells in a row. */
export const rowCells = 8

export class Stock {
  /** Cell c of a slot stands at `slot * rowCells + c`. Another array as soon as it grows. */
  table = new Float64Array(0)
  readonly kinds = new Kinds()
  readonly mates = new Mates()

  put(slot: number, kind: Kind, capacity: { cpuMillis: number; memoryMiB: number }, freePorts: number): void {
    this.#reach(slot)
    const { cpuMillis, memoryMiB } = capacity
    this.table.set(
      [cpuMillis, memoryMiB, freePorts, 0, kind.number, cpuMillis, memoryMiB, 0],
      slot * rowCells,
    )
  }

  remove(slot: number): void {
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

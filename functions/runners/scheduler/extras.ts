// Extras: what is left of disk and of named resources, by slot. Apart from the stock's table, whose rows are one
// line of the processor's cache each, because few demands ask for these.
import { othersIn, type Resources } from '../../../shared/model/resources.ts'

export interface Column {
  /** By slot. Another array as soon as it grows. */
  left: Float64Array
}

export class Extras {
  readonly #columns = new Map<string, Column>()

  /** A column of zeros as long as no host has any. */
  column(name: string): Column {
    let column = this.#columns.get(name)
    if (!column) {
      column = { left: new Float64Array(0) }
      this.#columns.set(name, column)
    }
    return column
  }

  left(name: string, slot: number): number {
    return this.#columns.get(name)?.left[slot] ?? 0
  }

  /** Another host took the slot. */
  put(slot: number, has: Resources): void {
    for (const { left } of this.#columns.values()) if (slot < left.length) left[slot] = 0
    this.count(slot, has, -1)
  }

  /** @param by 1 takes what is asked for, -1 gives it back. */
  count(slot: number, asked: Resources, by: 1 | -1): void {
    for (const [name, amount] of othersIn(asked)) {
      const column = this.column(name)
      if (slot >= column.left.length) grow(column, slot + 1)
      column.left[slot] = (column.left[slot] as number) - by * amount
    }
  }
}

function grow(column: Column, least: number): void {
  const grown = new Float64Array(Math.max(least, column.left.length * 2, 64))
  grown.set(column.left)
  column.left = grown
}

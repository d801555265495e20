// HostRow: one host on the board. What is left of it stands in its slot of the stock.
import type { Holding } from '../../../shared/model/holding.ts'
import { allocatableOf, type HostDescription } from '../../../shared/model/host.ts'
import { cell, rowCells } from './cells.ts'
import type { Kind } from './kinds.ts'
import { PortBook } from './portBook.ts'
import type { Stock } from './stock.ts'

export interface HostPicture {
  description: HostDescription
  /** Why the host takes no new ships. */
  degraded: string | null
}

/** What a host is never changes within a row: another description makes another row. */
export class HostRow {
  readonly slot: number
  readonly id: string
  readonly description: HostDescription
  readonly degraded: string | null
  readonly ports: PortBook
  readonly #stock: Stock
  readonly #kind: Kind

  constructor(slot: number, picture: HostPicture, stock: Stock, seed: number) {
    const { description, degraded } = picture
    this.slot = slot
    this.id = description.id
    this.description = description
    this.degraded = degraded
    this.ports = new PortBook(description.ports, seed, description.portRanges)
    this.#stock = stock
    this.#kind = stock.kinds.enter(description, degraded !== null)
    stock.put(slot, this.#kind, allocatableOf(description), this.ports.freeInRange, degraded === null)
  }

  get freeCpuMillis(): number {
    return this.#stock.table[this.slot * rowCells + cell.freeCpuMillis] as number
  }

  get freeMemoryMiB(): number {
    return this.#stock.table[this.slot * rowCells + cell.freeMemoryMiB] as number
  }

  /** Of disk, or of a named resource. */
  free(name: string): number {
    return this.#stock.extras.left(name, this.slot)
  }

  /** Ships of the fleet on this host. */
  mates(fleet: string | null): number {
    return this.#stock.mates.of(fleet).get(this.slot) ?? 0
  }

  /** @param portsTaken when the numbers were already taken while they were chosen. */
  add(holding: Holding, portsTaken = false): void {
    if (!portsTaken) this.ports.take(holding.hostPorts)
    this.#count(holding, 1)
  }

  remove(holding: Holding): void {
    this.ports.give(holding.hostPorts)
    this.#count(holding, -1)
  }

  /** The row is no longer on the board; all it held has been removed. */
  leave(): void {
    this.#stock.remove(this.slot)
    this.#stock.kinds.leave(this.#kind)
  }

  #count({ resources, fleet }: Holding, by: 1 | -1): void {
    const { table, mates, extras } = this.#stock
    const at = this.slot * rowCells
    table[at + cell.freeCpuMillis] = (table[at + cell.freeCpuMillis] as number) - by * resources.cpuMillis
    table[at + cell.freeMemoryMiB] = (table[at + cell.freeMemoryMiB] as number) - by * resources.memoryMiB
    table[at + cell.freePorts] = this.ports.freeInRange
    table[at + cell.ships] = (table[at + cell.ships] as number) + by
    extras.count(this.slot, resources, by)
    if (fleet !== null) mates.count(fleet, this.slot, by)
    this.#stock.settle(this.slot)
  }
}

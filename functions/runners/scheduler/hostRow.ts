// HostRow: one host on the board. What is left of it stands in its slot of the stock.
import type { Holding } from '../../../shared/model/holding.ts'
import type { HostDescription } from '../../../shared/model/host.ts'
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

  constructor(slot: number, picture: HostPicture, stock: Stock, seed: number) {
    const { description, degraded } = picture
    this.slot = slot
    this.id = description.id
    this.description = description
    this.degraded = degraded
    this.ports = new PortBook(description.ports, seed)
    this.#stock = stock
    stock.reach(slot)
    stock.kindAt[slot] = stock.kinds.enter(picture)
    stock.cpuMillis[slot] = stock.freeCpuMillis[slot] = description.capacity.cpuMillis
    stock.memoryMiB[slot] = stock.freeMemoryMiB[slot] = description.capacity.memoryMiB
    stock.freePorts[slot] = this.ports.freeInRange
    stock.ships[slot] = 0
  }

  get freeCpuMillis(): number {
    return this.#stock.freeCpuMillis[this.slot] as number
  }

  get freeMemoryMiB(): number {
    return this.#stock.freeMemoryMiB[this.slot] as number
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
    const { kinds, kindAt } = this.#stock
    const kind = kindAt[this.slot]
    if (kind) kinds.leave(kind)
    kindAt[this.slot] = undefined
  }

  #count({ resources, fleet }: Holding, by: 1 | -1): void {
    const { slot } = this
    const stock = this.#stock
    stock.freeCpuMillis[slot] = this.freeCpuMillis - by * resources.cpuMillis
    stock.freeMemoryMiB[slot] = this.freeMemoryMiB - by * resources.memoryMiB
    stock.freePorts[slot] = this.ports.freeInRange
    stock.ships[slot] = (stock.ships[slot] as number) + by
    if (fleet !== null) stock.mates.count(fleet, slot, by)
  }
}

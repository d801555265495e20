// HostRow: one host on the board, with what is left of it.
import type { Holding } from '../../../shared/model/holding.ts'
import type { HostDescription } from '../../../shared/model/host.ts'
import { PortBook } from './portBook.ts'

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
  readonly #mates = new Map<string, number>()
  freeCpuMillis: number
  freeMemoryMiB: number
  /** Ships that are on it or on their way. */
  ships = 0

  constructor(slot: number, { description, degraded }: HostPicture, seed: number) {
    this.slot = slot
    this.id = description.id
    this.description = description
    this.degraded = degraded
    this.ports = new PortBook(description.ports, seed)
    this.freeCpuMillis = description.capacity.cpuMillis
    this.freeMemoryMiB = description.capacity.memoryMiB
  }

  /** Ships of the fleet on this host. */
  mates(fleet: string | null): number {
    return fleet === null ? 0 : (this.#mates.get(fleet) ?? 0)
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

  #count({ resources, fleet }: Holding, by: 1 | -1): void {
    this.freeCpuMillis -= by * resources.cpuMillis
    this.freeMemoryMiB -= by * resources.memoryMiB
    this.ships += by
    if (fleet === null) return
    const mates = this.mates(fleet) + by
    if (mates > 0) this.#mates.set(fleet, mates)
    else this.#mates.delete(fleet)
  }
}

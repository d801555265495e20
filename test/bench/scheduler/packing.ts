// Packing: hosts used beside the fewest that can do, and how full the cluster is at the first refusal.
import { Board } from '../../../functions/runners/scheduler/board.ts'
import type { Resources } from '../../../shared/model/resources.ts'
import { fewestHosts, tally } from './bound.ts'
import { contenders, usedHosts } from './contenders.ts'
import { mixedCluster, sumOf } from './mixed.ts'
import { randomOf } from './random.ts'

const fillTo = 0.6
/** How often all ships are replaced, one by one, once half of them have left. */
const turnovers = 2

export interface Packing {
  /** Hosts used / fewest possible, when the scarcer resource is used to 60 %. */
  overFewest: number
  /** The same after half of those ships have left at random and the others were replaced, one by one. */
  overAfterChurn: number
  /** Used share of the scarcer resource when a ship is refused for the first time. */
  fullAtRefusal: number
}

export function measurePacking(name: string, seed: number, hosts = 200): Packing {
  const filling = new Filling(name, seed, hosts)
  while (filling.full < fillTo) filling.add()
  const overFewest = filling.overFewest
  while (filling.add());
  const fullAtRefusal = filling.full
  const churning = new Filling(name, seed, hosts)
  while (churning.full < fillTo) churning.add()
  const half = Math.floor(churning.count / 2)
  while (churning.count > half) churning.drop()
  for (let i = 0; i < turnovers * half; i++) {
    churning.drop()
    churning.add()
  }
  return { overFewest, fullAtRefusal, overAfterChurn: churning.overFewest }
}

class Filling {
  readonly #cluster: ReturnType<typeof mixedCluster>
  readonly #board: Board
  readonly #contend: ReturnType<NonNullable<(typeof contenders)[string]>>
  readonly #total: Resources
  readonly #random: () => number
  readonly #ships: { ship: string; resources: Resources }[] = []
  readonly #used = { cpuMillis: 0, memoryMiB: 0 }
  #asked = 0

  constructor(name: string, seed: number, hosts: number) {
    this.#cluster = mixedCluster(seed, hosts)
    this.#board = new Board(seed)
    for (const description of this.#cluster.hosts) this.#board.put({ description, degraded: null })
    const contend = contenders[name]?.(this.#board)
    if (!contend) throw new Error(`there is no ${name}`)
    this.#contend = contend
    this.#total = sumOf(this.#cluster.hosts.map(({ capacity }) => capacity))
    this.#random = randomOf(seed + 1_000)
  }

  get count(): number {
    return this.#ships.length
  }

  /** Used share of the scarcer resource. */
  get full(): number {
    const { cpuMillis, memoryMiB } = this.#total
    return Math.max(this.#used.cpuMillis / cpuMillis, this.#used.memoryMiB / memoryMiB)
  }

  get overFewest(): number {
    const ships = tally(this.#ships.map(({ resources }) => resources))
    return usedHosts(this.#board) / fewestHosts(this.#cluster.hosts, ships)
  }

  /** Asks for the next ship. False when it is refused. */
  add(): boolean {
    const demand = this.#cluster.next()
    const { resources } = demand
    const ship = `ship-${this.#asked++}`
    const ticket = { ship, attempt: 1, priority: 0, demand, avoidHosts: [], notBeforeMs: 0 }
    if (this.#contend([ticket], this.#asked) === 0) return false
    this.#ships.push({ ship, resources })
    this.#count(resources, 1)
    return true
  }

  /** A ship leaves, any of them. */
  drop(): void {
    const at = Math.floor(this.#random() * this.#ships.length)
    const last = this.#ships.pop()
    const gone = this.#ships[at] ?? last
    if (!gone || !last) return
    if (gone !== last) this.#ships[at] = last
    this.#board.drop(gone.ship)
    this.#count(gone.resources, -1)
  }

  #count({ cpuMillis, memoryMiB }: Resources, by: 1 | -1): void {
    this.#used.cpuMillis += by * cpuMillis
    this.#used.memoryMiB += by * memoryMiB
  }
}

// Packing: hosts used beside the fewest that can do, and how full the cluster is at the first refusal beside how
// full it could be.
import { Board } from '../../../functions/runners/scheduler/board.ts'
import type { Resources } from '../../../shared/model/resources.ts'
import { fewestHosts, tally } from './bound.ts'
import { type Early, mostShips } from './ceiling.ts'
import { contenders, usedHosts } from './contenders.ts'
import { mixedCluster, sumOf } from './mixed.ts'
import { randomOf } from './random.ts'

const fillTo = 0.6
const tightAt = 0.75
const mostOverFewest = 1.05
/** How often all ships are replaced, one by one, once half of them have left. */
const turnovers = 2

export interface Packing {
  /** Hosts used / fewest possible, when the scarcer resource is used to 60 %. */
  overFewest: number
  /** The same when it is used to 75 %; 0 when a ship was refused before. */
  overWhenTight: number
  /** As at 60 %, after half of those ships have left at random and the others were replaced, one by one. */
  overAfterChurn: number
  /** Used share of the scarcer resource when a ship is refused for the first time. */
  fullAtRefusal: number
}

export function measurePacking(name: string, seed: number, hosts = 200): Packing {
  const filling = new Filling(name, seed, hosts)
  while (filling.full < fillTo) filling.add()
  const overFewest = filling.overFewest
  while (filling.full < tightAt && filling.add());
  const overWhenTight = filling.full < tightAt ? 0 : filling.overFewest
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
  return { overFewest, overWhenTight, fullAtRefusal, overAfterChurn: churning.overFewest }
}

export interface Ceilings {
  /** No placement has the cluster fuller at its first refusal, even if it knows all ships to come and moves them. */
  full: number
  /**
   * The same when ships stay where they are, on 1.05 times the fewest hosts until 60 % are used; 0 when whole ships
   * cannot do with so few.
   */
  fullOfFew: number
}

export function measureCeilings(seed: number, hosts = 200): Ceilings {
  const cluster = mixedCluster(seed, hosts)
  const total = sumOf(cluster.hosts.map(({ capacity }) => capacity))
  const stream: Resources[] = []
  const used = { cpuMillis: 0, memoryMiB: 0 }
  let untilFilled = 0
  for (let full = 0; full <= 1; full = fullOf(used, total)) {
    if (full < fillTo) untilFilled++
    const { resources } = cluster.next()
    stream.push(resources)
    count(used, resources, 1)
  }
  const atMost = (early?: Early) =>
    fullOf(sumOf(stream.slice(0, mostShips(cluster.hosts, stream, early))), total)
  const fewest = fewestHosts(cluster.hosts, tally(stream.slice(0, untilFilled)))
  const early = { ships: untilFilled, hosts: Math.floor(fewest * mostOverFewest) }
  return { full: atMost(), fullOfFew: atMost(early) }
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
    return fullOf(this.#used, this.#total)
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
    count(this.#used, resources, 1)
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
    count(this.#used, gone.resources, -1)
  }
}

/** Used share of the scarcer resource. */
function fullOf(used: Resources, total: Resources): number {
  return Math.max(used.cpuMillis / total.cpuMillis, used.memoryMiB / total.memoryMiB)
}

function count(used: Resources, { cpuMillis, memoryMiB }: Resources, by: 1 | -1): void {
  used.cpuMillis += by * cpuMillis
  used.memoryMiB += by * memoryMiB
}

// Packing: hosts used beside the fewest that can do, and how full the cluster is at the first refusal.
import { Board } from '../../../functions/runners/scheduler/board.ts'
import type { Demand } from '../../../shared/model/ticket.ts'
import { contenders, usedHosts } from './contenders.ts'
import { fewestHosts, mixedCluster, sumOf } from './mixed.ts'

const fillTo = 0.6

export interface Packing {
  /** Hosts used / fewest possible, when the scarcer resource is used to 60 %. */
  overFewest: number
  /** Used share of the scarcer resource when a ship is refused for the first time. */
  fullAtRefusal: number
}

export function measurePacking(name: string, seed: number, hosts = 200): Packing {
  const board = new Board(seed)
  const cluster = mixedCluster(seed, hosts)
  for (const description of cluster.hosts) board.put({ description, degraded: null })
  const contend = contenders[name]?.(board)
  if (!contend) throw new Error(`there is no ${name}`)
  const total = sumOf(cluster.hosts.map(({ capacity }) => capacity))
  const used = { cpuMillis: 0, memoryMiB: 0 }
  const full = () => Math.max(used.cpuMillis / total.cpuMillis, used.memoryMiB / total.memoryMiB)
  let overFewest = Number.NaN
  for (let i = 0; ; i++) {
    const demand: Demand = cluster.next()
    const ticket = { ship: `ship-${i}`, attempt: 1, priority: 0, demand, avoidHosts: [], notBeforeMs: 0 }
    if (contend([ticket], i) === 0) return { overFewest, fullAtRefusal: full() }
    used.cpuMillis += demand.resources.cpuMillis
    used.memoryMiB += demand.resources.memoryMiB
    if (Number.isNaN(overFewest) && full() >= fillTo) {
      overFewest = usedHosts(board) / fewestHosts(cluster.hosts, used)
    }
  }
}

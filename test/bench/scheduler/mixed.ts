// Clusters of hosts of different sizes and shapes, and streams of mixed ships.
import type { HostDescription } from '../../../shared/model/host.ts'
import { Placement } from '../../../shared/model/placement.ts'
import type { Resources } from '../../../shared/model/resources.ts'
import type { Demand } from '../../../shared/model/ticket.ts'
import { oneOf, randomOf } from './random.ts'

/** Cores and GiB. */
const shapes = [
  [8, 32],
  [16, 32],
  [16, 64],
  [32, 64],
  [32, 128],
  [64, 256],
  [48, 96],
  [64, 128],
] as const
const cpuMillis = [250, 500, 1_000, 1_500, 2_000, 4_000]
const gibPerCore = [0.5, 1, 1.5, 2, 3, 4, 6]

export interface Mixed {
  hosts: HostDescription[]
  /** The demand of the next ship. */
  next: () => Demand
}

/** Hosts of 2 to 5 shapes and ships of 4 to 12 demands, in shares that the seed decides. */
export function mixedCluster(seed: number, hosts: number): Mixed {
  const random = randomOf(seed)
  const chosen = Array.from({ length: 2 + Math.floor(random() * 4) }, () => oneOf(shapes, random))
  const descriptions = Array.from({ length: hosts }, (_, i) => {
    const [cores, gib] = oneOf(chosen, random)
    return hostOf(i, { cpuMillis: cores * 1_000, memoryMiB: gib * 1_024 })
  })
  const demands = Array.from({ length: 4 + Math.floor(random() * 9) }, () => {
    const cpu = oneOf(cpuMillis, random)
    const memoryMiB = Math.max(128, Math.round((cpu * 1.024 * oneOf(gibPerCore, random)) / 128) * 128)
    const demand = {
      fleet: null,
      ports: [],
      placement: Placement.parse({}),
      resources: { cpuMillis: cpu, memoryMiB },
    }
    return { demand, share: random() }
  })
  const all = demands.reduce((sum, { share }) => sum + share, 0)
  const next = (): Demand => {
    let left = random() * all
    for (const { demand, share } of demands) {
      left -= share
      if (left <= 0) return demand
    }
    return (demands[0] as { demand: Demand }).demand
  }
  return { hosts: descriptions, next }
}

export function sumOf(all: readonly Resources[]): Resources {
  return {
    cpuMillis: all.reduce((sum, one) => sum + one.cpuMillis, 0),
    memoryMiB: all.reduce((sum, one) => sum + one.memoryMiB, 0),
  }
}

function hostOf(i: number, capacity: Resources): HostDescription {
  const ports = { from: 7_000, to: 8_000 }
  return { id: `host-${i}`, address: '10.0.0.1', capacity, ports, labels: {}, taints: [], agentVersion: '' }
}

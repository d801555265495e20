// Bound: the fewest hosts that any placement could do with.
//
// A linear program in which ships may be cut into any pieces: how many hosts of each shape, and how much of each
// demand on which shape, so that neither CPU nor memory of any shape is exceeded. Whole ships can only need more.
// A sum over all hosts would let one shape's memory serve ships that have no CPU left there.
import { solve } from 'yalps'
import type { HostDescription } from '../../../shared/model/host.ts'
import type { Resources } from '../../../shared/model/resources.ts'

/** Things of one size, and how many there are. */
export interface Count {
  resources: Resources
  count: number
}

const slack = 1e-6

export function fewestHosts(hosts: readonly HostDescription[], ships: readonly Count[]): number {
  const shapes = tally(hosts.map(({ capacity }) => capacity))
  const amounts = ({ cpuMillis, memoryMiB }: Resources) => [cpuMillis / 1_000, memoryMiB / 1_024] as const
  const constraints: [string, { min?: number; max?: number }][] = []
  const variables: [string, [string, number][]][] = []
  for (const [s, shape] of shapes.entries()) {
    const [cpu, memory] = amounts(shape.resources)
    constraints.push([`cpu${s}`, { max: 0 }], [`memory${s}`, { max: 0 }], [`hosts${s}`, { max: shape.count }])
    const used: [string, number][] = [
      [`cpu${s}`, -cpu],
      [`memory${s}`, -memory],
      [`hosts${s}`, 1],
    ]
    variables.push([`hosts of ${s}`, [['hosts', 1], ...used]])
  }
  for (const [d, demand] of ships.entries()) {
    const [cpu, memory] = amounts(demand.resources)
    constraints.push([`ships${d}`, { min: demand.count }])
    for (const s of shapes.keys()) {
      variables.push([
        `${d} on ${s}`,
        [
          [`cpu${s}`, cpu],
          [`memory${s}`, memory],
          [`ships${d}`, 1],
        ],
      ])
    }
  }
  const { status, result } = solve({ direction: 'minimize', objective: 'hosts', constraints, variables })
  if (status !== 'optimal') throw new Error(`the bound is ${status}`)
  return Math.ceil(result - slack)
}

export function tally(all: readonly Resources[]): Count[] {
  const counts = new Map<string, Count>()
  for (const resources of all) {
    const key = `${resources.cpuMillis}/${resources.memoryMiB}`
    const known = counts.get(key)
    if (known) known.count++
    else counts.set(key, { resources, count: 1 })
  }
  return [...counts.values()]
}

// What a host can take, written anew and plainly, so that a filter that is wrong does not agree with itself.
import type { HostRow } from '../../../../functions/runners/scheduler/hostRow.ts'
import { planPorts } from '../../../../functions/runners/scheduler/portBook.ts'
import { matches } from '../../../../functions/runners/scheduler/selector.ts'
import type { PortRequest } from '../../../../shared/model/port.ts'
import { amountOf, othersIn } from '../../../../shared/model/resources.ts'
import type { Demand } from '../../../../shared/model/ticket.ts'
import type { Living } from './anyCluster.ts'

/** By what a host is. */
export function suitsOf(
  { placement }: Demand,
  { id, degraded, description: { labels, taints } }: HostRow,
): boolean {
  return (
    degraded === null &&
    (placement.host === undefined || placement.host === id) &&
    placement.require.every((selector) => matches(selector, labels)) &&
    taints.every(({ key }) => placement.tolerations.includes(key))
  )
}

/** By what is left of it when these ships are on it. */
export function hasRoom(demand: Demand, { id, description }: HostRow, living: readonly Living[]): boolean {
  const on = living.filter(({ placed }) => placed.host === id).map(({ holding }) => holding)
  const left = (name: string) =>
    on.reduce((sum, { resources }) => sum - amountOf(resources, name), amountOf(description.capacity, name))
  const numbers = new Set(on.flatMap(({ hostPorts }) => hostPorts))
  const fixed = new Set(demand.ports.flatMap((port) => (port.policy === 'static' ? [port.hostPort] : [])))
  for (const number of fixed) if (numbers.has(number as number)) return false
  for (const number of fixed) numbers.add(number as number)
  const enoughIn = (name: string | undefined, range: { from: number; to: number } | undefined) => {
    const anyOf = ({ policy, range: of }: PortRequest) =>
      (policy === 'dynamic' || policy === 'passthrough') && of === name
    let left = -demand.ports.filter(anyOf).length
    for (let number = range?.from ?? 1; number <= (range?.to ?? 0); number++) if (!numbers.has(number)) left++
    return left >= 0
  }
  const mates = on.filter(({ fleet }) => fleet !== null && fleet === demand.fleet).length
  return (
    ['cpu', 'memory', 'disk', 'gpu'].every((name) => left(name) >= amountOf(demand.resources, name)) &&
    enoughIn(undefined, description.ports) &&
    enoughIn('query', description.portRanges?.query) &&
    (demand.placement.antiAffinity !== 'required' || mates === 0)
  )
}

/** How many ships that ask for this could be placed all together. */
export function howMany(demand: Demand, rows: readonly (HostRow | undefined)[]): number {
  const { resources, placement, fleet } = demand
  const plan = planPorts(demand.ports)
  if (plan.clash !== undefined) return 0
  const mostOn = (row: HostRow) => {
    const onlyOne = plan.fixed.length > 0 || (placement.antiAffinity === 'required' && fleet !== null)
    if (plan.fixedNumbers.some((number) => !row.ports.isFree(number)) || !row.ports.hasEnough(plan)) return 0
    const query = plan.named.get('query')?.length ?? 0
    if (query > 0 && !row.ports.hasEnoughIn('query', plan)) return 0
    if (placement.antiAffinity === 'required' && row.mates(fleet) > 0) return 0
    return Math.min(
      Math.floor(row.freeCpuMillis / resources.cpuMillis),
      Math.floor(row.freeMemoryMiB / resources.memoryMiB),
      plan.any.length > 0 ? Math.floor(row.ports.freeInRange / plan.any.length) : Number.POSITIVE_INFINITY,
      query > 0 ? Math.floor(row.ports.freeIn('query') / query) : Number.POSITIVE_INFINITY,
      ...othersIn(resources).map(([name, amount]) =>
        amount > 0 ? Math.floor(row.free(name) / amount) : Number.POSITIVE_INFINITY,
      ),
      onlyOne ? 1 : Number.POSITIVE_INFINITY,
    )
  }
  return rows.reduce((sum, row) => sum + (row && suitsOf(demand, row) ? mostOn(row) : 0), 0)
}

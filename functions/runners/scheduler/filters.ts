// Filters: every rule by which a host cannot take a ship, each able to say so to a person.
//
// The same functions decide and explain, so a refusal never names a reason that was not the reason.
import type { PlacementRule } from '../../../shared/model/explanation.ts'
import { othersIn } from '../../../shared/model/resources.ts'
import type { Demand } from '../../../shared/model/ticket.ts'
import type { Board } from './board.ts'
import type { HostRow } from './hostRow.ts'
import { type PortPlan, planPorts } from './portBook.ts'
import { matches, mismatch } from './selector.ts'

export interface Filter {
  readonly rule: PlacementRule
  admits(row: HostRow): boolean
  /** What is wrong with these hosts, none of which it admits. */
  phrase(rows: readonly HostRow[]): string
}

/** One demand as filters, made once for all ships that ask for the same. */
export interface Rules {
  demand: Demand
  ports: PortPlan
  /** What a host is: these change only with its description. */
  suits: readonly Filter[]
  /** What is left of it. */
  room: readonly Filter[]
}

export function rulesOf(demand: Demand): Rules {
  const ports = planPorts(demand.ports)
  return { demand, ports, suits: suitsFilters(demand, ports), room: roomFilters(demand, ports) }
}

export function passes(filters: readonly Filter[], row: HostRow): boolean {
  for (const filter of filters) if (!filter.admits(row)) return false
  return true
}

/** The hosts that come into question: one for a ship that is pinned, or waits for its home. */
export function hostsFor(board: Board, rules: Rules): readonly (HostRow | undefined)[] {
  const { host: pinned } = rules.demand.placement
  if (pinned !== undefined) return [board.host(pinned)]
  const home = homeBound(board, rules)
  return home ? [home] : board.rows
}

/** The host that a ship waits for: its home, if it may go to no other while that stands and is open. */
export function homeBound(board: Board, { demand, suits }: Rules): HostRow | undefined {
  const row = demand.home?.only ? board.host(demand.home.host) : undefined
  return row && passes(suits, row) ? row : undefined
}

function suitsFilters({ placement }: Demand, { clash }: PortPlan): Filter[] {
  const { host, require: required, tolerations, spread } = placement
  const filters: Filter[] = []
  if (clash !== undefined) filters.push({ rule: 'ports', admits: () => false, phrase: () => clash })
  if (host !== undefined) {
    filters.push({
      rule: 'pinned',
      admits: (row) => row.id === host,
      phrase: () => `not ${host}, to which it is pinned`,
    })
  }
  for (const selector of required) {
    filters.push({
      rule: 'label',
      admits: (row) => matches(selector, row.description.labels),
      phrase: () => mismatch(selector),
    })
  }
  if (spread) {
    filters.push({
      rule: 'zone',
      admits: (row) => row.description.labels[spread.label] !== undefined,
      phrase: () => `no label ${spread.label} to spread over`,
    })
  }
  const untolerated = (row: HostRow) => row.description.taints.filter(({ key }) => !tolerations.includes(key))
  filters.push(
    {
      rule: 'taint',
      admits: (row) => untolerated(row).length === 0,
      phrase: (rows) =>
        `taint ${few(rows.flatMap((row) => untolerated(row).map(({ key }) => key)))} not tolerated`,
    },
    {
      rule: 'closed',
      admits: (row) => row.degraded === null,
      phrase: (rows) => `takes no new ships (${few(rows.map((row) => row.degraded ?? ''))})`,
    },
  )
  return filters
}

function roomFilters({ resources, placement, fleet }: Demand, ports: PortPlan): Filter[] {
  const { cpuMillis, memoryMiB } = resources
  const filters: Filter[] = [
    {
      rule: 'memory',
      admits: (row) => row.freeMemoryMiB >= memoryMiB,
      phrase: (rows) =>
        `not enough memory (wants ${memoryMiB} MiB, best has ${best(rows, (row) => row.freeMemoryMiB)})`,
    },
    {
      rule: 'cpu',
      admits: (row) => row.freeCpuMillis >= cpuMillis,
      phrase: (rows) =>
        `not enough CPU (wants ${cpuMillis} millicores, best has ${best(rows, (row) => row.freeCpuMillis)})`,
    },
  ]
  for (const [name, amount] of othersIn(resources)) {
    const unit = name === 'disk' ? ' MiB' : ''
    filters.push({
      rule: name === 'disk' ? 'disk' : 'extra',
      admits: (row) => row.free(name) >= amount,
      phrase: (rows) =>
        `not enough ${name} (wants ${amount}${unit}, best has ${best(rows, (row) => row.free(name))})`,
    })
  }
  for (const number of ports.fixedNumbers) {
    filters.push({
      rule: 'port',
      admits: (row) => row.ports.isFree(number),
      phrase: () => `port ${number} is taken`,
    })
  }
  if (ports.any.length > 0) {
    filters.push({
      rule: 'ports',
      admits: (row) => row.ports.hasEnough(ports),
      phrase: (rows) =>
        `not enough free ports (wants ${ports.any.length}, best has ${best(rows, (row) => row.ports.freeInRange)})`,
    })
  }
  for (const [range, { length }] of ports.named) {
    filters.push({
      rule: 'ports',
      admits: (row) => row.ports.hasEnoughIn(range, ports),
      phrase: (rows) =>
        `not enough free ports of the range "${range}" (wants ${length}, best has ${best(rows, (row) => row.ports.freeIn(range))})`,
    })
  }
  if (placement.antiAffinity === 'required' && fleet !== null) {
    filters.push({
      rule: 'mates',
      admits: (row) => row.mates(fleet) === 0,
      phrase: () => `already carries a ship of fleet ${fleet}`,
    })
  }
  return filters
}

function best(rows: readonly HostRow[], free: (row: HostRow) => number): number {
  return rows.reduce((most, row) => Math.max(most, free(row)), 0)
}

function few(texts: readonly string[]): string {
  const different = [...new Set(texts)].sort()
  return different.length > 3 ? `${different.slice(0, 3).join(', ')} …` : different.join(', ')
}

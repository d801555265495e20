// Clusters and tickets of any kind, and what happens to them: ships come and leave, hosts leave, fall ill and return.
import fc from 'fast-check'
import type { HostRow } from '../../../../functions/runners/scheduler/hostRow.ts'
import type { Placed } from '../../../../functions/runners/scheduler/place.ts'
import type { Holding } from '../../../../shared/model/holding.ts'
import type { HostDescription } from '../../../../shared/model/host.ts'
import { Placement } from '../../../../shared/model/placement.ts'
import { PortRequest } from '../../../../shared/model/port.ts'
import type { Demand, Ticket } from '../../../../shared/model/ticket.ts'
import { demand, hostNamed, ticket } from '../tree.ts'
import { Scene } from './scene.ts'

const label = fc.constantFrom('x', 'y', 'z')
/** Rules that most demands and hosts are without: else hardly a ship finds a host. */
function seldom<T>(rule: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: 6, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: rule })
}
const anyHost = fc.record({
  memoryMiB: fc.integer({ min: 0, max: 4_096 }),
  cpuMillis: fc.integer({ min: 0, max: 8_000 }),
  zone: fc.option(label, { nil: undefined }),
  disk: fc.option(label, { nil: undefined }),
  spot: seldom(fc.constant(true)),
  degraded: seldom(fc.constant(true)),
  width: fc.integer({ min: 0, max: 16 }),
  queryWidth: fc.option(fc.integer({ min: 0, max: 6 }), { nil: undefined }),
  diskMiB: fc.option(fc.integer({ min: 0, max: 2_000 }), { nil: undefined }),
  gpu: seldom(fc.integer({ min: 0, max: 3 })),
})
const selector = fc.oneof(
  fc.record({
    key: fc.constantFrom('zone', 'disk'),
    operator: fc.constantFrom('In', 'NotIn'),
    values: fc.array(label, { minLength: 1, maxLength: 2 }),
  }),
  fc.record({ key: fc.constantFrom('zone', 'disk'), operator: fc.constantFrom('Exists', 'DoesNotExist') }),
)
const anyPort = fc.constantFrom(
  { policy: 'dynamic', containerPort: 1 },
  { policy: 'passthrough', protocol: 'tcp+udp' },
  { policy: 'static', hostPort: 7_002, containerPort: 1 },
  { policy: 'static', hostPort: 27_001, containerPort: 1 },
  { policy: 'dynamic', containerPort: 1, range: 'query' },
  { policy: 'none', containerPort: 1 },
)
const anyDemand = fc.record({
  memoryMiB: fc.integer({ min: 8, max: 1_024 }),
  cpuMillis: fc.integer({ min: 10, max: 2_000 }),
  diskMiB: seldom(fc.integer({ min: 0, max: 500 })),
  gpu: seldom(fc.integer({ min: 0, max: 2 })),
  ports: fc.array(anyPort, { maxLength: 2 }),
  fleet: fc.option(fc.constantFrom('red', 'blue'), { nil: null }),
  placement: fc.record({
    strategy: fc.constantFrom('packed', 'distributed'),
    require: seldom(selector).map((one) => (one ? [one] : [])),
    prefer: fc.array(fc.record({ selector, weight: fc.integer({ min: 1, max: 100 }) }), { maxLength: 2 }),
    antiAffinity: fc.constantFrom('none', 'none', 'preferred', 'required'),
    spread: seldom(fc.record({ label: fc.constant('zone'), maxSkew: fc.integer({ min: 1, max: 2 }) })),
    tolerations: fc.constantFrom([], ['spot']),
    host: seldom(fc.constantFrom('host-0', 'host-9')),
  }),
})
export const anyCluster = fc.record({
  hosts: fc.array(anyHost, { maxLength: 8, size: 'max' }),
  demands: fc.array(anyDemand, { minLength: 1, maxLength: 4, size: 'max' }),
  rounds: fc.array(
    fc.array(
      fc.record({
        demand: fc.nat(3),
        priority: fc.nat(100),
        avoid: fc.array(fc.constantFrom('host-0', 'host-1', 'host-2'), { maxLength: 2 }),
      }),
      { maxLength: 20, size: 'max' },
    ),
    { minLength: 1, maxLength: 3 },
  ),
  leaves: fc.array(fc.nat(59), { maxLength: 10 }),
  /** What happens to hosts after each round. */
  turns: fc.array(fc.record({ host: fc.nat(7), to: fc.constantFrom('gone', 'ill', 'well', 'seen') }), {
    maxLength: 6,
  }),
})
export type Cluster = typeof anyCluster extends fc.Arbitrary<infer T> ? T : never

/** What is on each host, counted by the test itself. */
export interface Living {
  placed: Placed
  holding: Holding
}

export function play({ hosts, demands, rounds, leaves, turns }: Cluster) {
  const scene = new Scene([])
  const descriptions = hosts.map(({ zone, disk, spot, width, queryWidth, degraded: _, gpu, ...plain }, i) =>
    hostNamed(`host-${i}`, {
      capacity: { ...plain, ...(gpu !== undefined && { extra: { gpu } }) },
      ports: { from: 7_000, to: 7_000 + width },
      ...(queryWidth !== undefined && {
        portRanges: { query: { from: 27_000, to: 27_000 + queryWidth } },
      }),
      labels: { ...(zone && { zone }), ...(disk && { disk }) },
      taints: spot ? [{ key: 'spot', value: '' }] : [],
    }),
  )
  hosts.forEach(({ degraded }, i) => {
    scene.board.put({ description: descriptions[i] as HostDescription, degraded: degraded ? 'ill' : null })
  })
  const made = demands.map(({ ports, placement, fleet, gpu, ...plain }) =>
    demand({
      resources: { ...plain, ...(gpu !== undefined && { extra: { gpu } }) },
      fleet,
      ports: ports.map((port, i) => PortRequest.parse({ name: `p${i}`, ...port })),
      placement: Placement.parse(JSON.parse(JSON.stringify(placement))),
    }),
  )
  const living = new Map<string, Living>()
  const history: { before: Placed[]; placed: Placed; holding: Holding; hosts: readonly HostRow[] }[] = []
  const refused: { demand: Demand; living: Living[]; hosts: readonly HostRow[] }[] = []
  const asked: Ticket[] = []
  const seen = new Set<string>()
  const reasons = new Map<string, string | undefined>()
  let count = 0
  for (const round of rounds) {
    const batch = round.map(({ demand: at, priority, avoid }) =>
      ticket(`ship-${count++}`, {
        demand: made[at % made.length] as Ticket['demand'],
        priority,
        avoidHosts: avoid,
      }),
    )
    asked.push(...batch)
    const there = scene.board.rows.filter((row) => row !== undefined)
    const { placed, blocked } = scene.decide(batch)
    for (const one of placed) {
      const { ship, attempt, demand: wanted } = one.entry.ticket
      const hostPorts = [...new Set(Object.values(one.ports))]
      const holding = { ship, attempt, fleet: wanted.fleet, resources: wanted.resources, hostPorts }
      const before = [...living.values()].map((other) => other.placed)
      history.push({ before, placed: one, holding, hosts: there })
      living.set(ship, { placed: one, holding })
      reasons.delete(ship)
    }
    for (const group of blocked) {
      for (const { ticket: one, state } of group.entries) {
        if (state === 'waiting') reasons.set(one.ship, group.reason)
      }
    }
    for (const { demand: wanted } of blocked) {
      refused.push({ demand: wanted, living: [...living.values()], hosts: there })
    }
    for (const leaver of leaves) {
      const one = living.get(`ship-${leaver}`)
      if (!one) continue
      living.delete(one.holding.ship)
      scene.board.drop(one.holding.ship)
      if (seen.delete(one.holding.ship)) show(one.placed.host)
    }
    for (const { host, to } of turns) turn(host, to)
  }
  return { scene, living, history, asked, reasons, refused }

  function turn(host: number, to: 'gone' | 'ill' | 'well' | 'seen'): void {
    const description = descriptions[host]
    if (!description) return
    const { id } = description
    if (to === 'ill' || to === 'well') scene.board.put({ description, degraded: to === 'ill' ? to : null })
    if (!scene.board.host(id)) return
    const on = [...living.values()].filter(({ placed }) => placed.host === id).map(({ holding }) => holding)
    if (to === 'seen') {
      for (const { ship } of on) seen.add(ship)
      show(id)
    }
    if (to !== 'gone') return
    scene.board.remove(id)
    for (const { ship } of on) {
      scene.board.drop(ship)
      living.delete(ship)
      seen.delete(ship)
    }
  }

  /** The host's Advice, with those of its ships that it has begun to show. */
  function show(id: string): void {
    const on = [...living.values()].filter(
      ({ placed, holding }) => placed.host === id && seen.has(holding.ship),
    )
    scene.board.see(
      id,
      on.map(({ holding }) => holding),
    )
  }
}

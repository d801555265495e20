// What holds for any cluster and any tickets.
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Placed } from '../../../../functions/runners/scheduler/decide.ts'
import { DemandClasses } from '../../../../functions/runners/scheduler/demandClasses.ts'
import { fullCheck } from '../../../../functions/runners/scheduler/refusal.ts'
import { matches } from '../../../../functions/runners/scheduler/selector.ts'
import type { Holding } from '../../../../shared/model/holding.ts'
import { Placement } from '../../../../shared/model/placement.ts'
import { PortRequest } from '../../../../shared/model/port.ts'
import type { Ticket } from '../../../../shared/model/ticket.ts'
import { demand, hostNamed, ticket } from '../tree.ts'
import { Scene } from './scene.ts'

const engine = suite('properties of scheduling')

const label = fc.constantFrom('x', 'y', 'z')
const anyHost = fc.record({
  memoryMiB: fc.integer({ min: 0, max: 4_096 }),
  cpuMillis: fc.integer({ min: 0, max: 8_000 }),
  zone: fc.option(label, { nil: undefined }),
  disk: fc.option(label, { nil: undefined }),
  spot: fc.boolean(),
  degraded: fc.boolean(),
  width: fc.integer({ min: 0, max: 8 }),
  diskMiB: fc.option(fc.integer({ min: 0, max: 2_000 }), { nil: undefined }),
  gpu: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined }),
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
  { policy: 'none', containerPort: 1 },
)
const anyDemand = fc.record({
  memoryMiB: fc.integer({ min: 8, max: 1_024 }),
  cpuMillis: fc.integer({ min: 10, max: 2_000 }),
  diskMiB: fc.option(fc.integer({ min: 0, max: 500 }), { nil: undefined }),
  gpu: fc.option(fc.integer({ min: 0, max: 2 }), { nil: undefined }),
  ports: fc.array(anyPort, { maxLength: 3 }),
  fleet: fc.option(fc.constantFrom('red', 'blue'), { nil: null }),
  placement: fc.record({
    strategy: fc.constantFrom('packed', 'distributed'),
    require: fc.array(selector, { maxLength: 1 }),
    prefer: fc.array(fc.record({ selector, weight: fc.integer({ min: 1, max: 100 }) }), { maxLength: 2 }),
    antiAffinity: fc.constantFrom('none', 'preferred', 'required'),
    spread: fc.option(fc.record({ label: fc.constant('zone'), maxSkew: fc.integer({ min: 1, max: 2 }) }), {
      nil: undefined,
    }),
    tolerations: fc.constantFrom([], ['spot']),
    host: fc.option(fc.constantFrom('host-0', 'host-9'), { nil: undefined, freq: 10 }),
  }),
})
const anyCluster = fc.record({
  hosts: fc.array(anyHost, { maxLength: 8 }),
  demands: fc.array(anyDemand, { minLength: 1, maxLength: 4 }),
  rounds: fc.array(
    fc.array(
      fc.record({
        demand: fc.nat(3),
        priority: fc.nat(100),
        avoid: fc.array(fc.constantFrom('host-0', 'host-1', 'host-2'), { maxLength: 2 }),
      }),
      { maxLength: 20 },
    ),
    { minLength: 1, maxLength: 3 },
  ),
  leaves: fc.array(fc.nat(59), { maxLength: 10 }),
})
type Cluster = typeof anyCluster extends fc.Arbitrary<infer T> ? T : never

function play({ hosts, demands, rounds, leaves }: Cluster) {
  const scene = new Scene([])
  hosts.forEach(({ zone, disk, spot, degraded, width, gpu, ...plain }, i) => {
    const description = hostNamed(`host-${i}`, {
      capacity: { ...plain, ...(gpu !== undefined && { extra: { gpu } }) },
      ports: { from: 7_000, to: 7_000 + width },
      labels: { ...(zone && { zone }), ...(disk && { disk }) },
      taints: spot ? [{ key: 'spot', value: '' }] : [],
    })
    scene.board.put({ description, degraded: degraded ? 'ill' : null })
  })
  const made = demands.map(({ ports, placement, fleet, gpu, ...plain }) =>
    demand({
      resources: { ...plain, ...(gpu !== undefined && { extra: { gpu } }) },
      fleet,
      ports: ports.map((port, i) => PortRequest.parse({ name: `p${i}`, ...port })),
      placement: Placement.parse(JSON.parse(JSON.stringify(placement))),
    }),
  )
  const living = new Map<string, Placed>()
  const history: { before: Placed[]; placed: Placed; holding: Holding }[] = []
  const asked: Ticket[] = []
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
    const { placed, blocked } = scene.decide(batch)
    for (const one of placed) {
      const { ship, attempt, demand: wanted } = one.entry.ticket
      const hostPorts = [...new Set(Object.values(one.ports))]
      const holding = { ship, attempt, fleet: wanted.fleet, resources: wanted.resources, hostPorts }
      history.push({ before: [...living.values()], placed: one, holding })
      living.set(ship, one)
      reasons.delete(ship)
    }
    for (const group of blocked) {
      for (const { ticket: one, state } of group.entries) {
        if (state === 'waiting') reasons.set(one.ship, group.reason)
      }
    }
    for (const leaver of leaves) {
      scene.board.drop(`ship-${leaver}`)
      living.delete(`ship-${leaver}`)
    }
  }
  return { scene, living, history, asked, reasons }
}

function holds(name: string, check: (played: ReturnType<typeof play>) => void): void {
  engine(name, () => {
    fc.assert(
      fc.property(anyCluster, (cluster) => check(play(cluster))),
      { numRuns: 300 },
    )
  })
}

holds(
  'no host is ever over its capacity, and no port number is given twice',
  ({ scene, living, history }) => {
    for (const row of scene.board.rows) {
      assert.ok(!row || (row.freeCpuMillis >= 0 && row.freeMemoryMiB >= 0))
      assert.ok(!row || (row.free('disk') >= 0 && row.free('gpu') >= 0))
    }
    const taken = new Set<string>()
    for (const { placed, holding } of history) {
      if (living.get(holding.ship) !== placed) continue
      for (const number of holding.hostPorts) {
        const key = `${placed.host}:${number}`
        assert.not(taken.has(key))
        taken.add(key)
      }
    }
  },
)

holds('every placement keeps the constraints that held when it was made', ({ scene, history }) => {
  for (const { before, placed } of history) {
    const { demand: wanted } = placed.entry.ticket
    const { placement, fleet, ports } = wanted
    const row = scene.board.host(placed.host)
    assert.ok(row && row.degraded === null)
    const { labels, taints, ports: range } = row.description
    for (const one of placement.require) assert.ok(matches(one, labels))
    for (const { key } of taints) assert.ok(placement.tolerations.includes(key))
    if (placement.host !== undefined) assert.is(placed.host, placement.host)
    const mates = before.filter(({ entry }) => fleet !== null && entry.ticket.demand.fleet === fleet)
    if (placement.antiAffinity === 'required') assert.not(mates.some(({ host }) => host === placed.host))
    for (const port of ports) {
      const number = placed.ports[port.name]
      if (port.policy === 'none') assert.is(number, undefined)
      else if (port.policy === 'static') assert.is(number, port.hostPort)
      else assert.ok(number !== undefined && number >= range.from && number <= range.to)
    }
    if (!placement.spread || placement.host !== undefined) continue
    const suits = scene.board.rows.filter(
      (one) =>
        one?.description.labels.zone !== undefined &&
        one.degraded === null &&
        placement.require.every((selector) => matches(selector, one.description.labels)) &&
        one.description.taints.every(({ key }) => placement.tolerations.includes(key)),
    )
    const inZone = (zone: string | undefined) =>
      mates.filter(({ host }) => scene.board.host(host)?.description.labels.zone === zone).length
    const fewest = Math.min(...suits.map((one) => inZone(one?.description.labels.zone)))
    assert.ok(inZone(labels.zone) + 1 - fewest <= placement.spread.maxSkew)
  }
})

holds('every placement is explained, by counts of all hosts', ({ history, scene }) => {
  for (const { placed } of history) {
    const { hosts, feasible, ruledOut, score } = placed.why
    const refused = Object.values(ruledOut).reduce((sum, count) => sum + count, 0)
    assert.ok(score && feasible > 0 && score.strategy >= 0 && score.apart >= 0 && score.preferred >= 0)
    assert.is(feasible + refused, hosts)
    assert.is(hosts, placed.entry.ticket.demand.placement.host === undefined ? scene.board.size : 1)
  }
})

holds('every ticket is placed or explained', ({ living, asked, history, reasons }) => {
  const everPlaced = new Set(history.map(({ holding }) => holding.ship))
  for (const { ship } of asked) {
    if (everPlaced.has(ship)) continue
    assert.ok(reasons.get(ship), `${ship} has no reason`)
    assert.not(living.has(ship))
  }
})

engine('the same cluster and tickets give the same decisions', () => {
  fc.assert(
    fc.property(anyCluster, (cluster) => {
      const told = () =>
        play(cluster).history.map(({ placed }) => [placed.entry.ticket.ship, placed.host, placed.ports])
      assert.equal(told(), told())
    }),
    { numRuns: 100 },
  )
})

holds('the index agrees with one made anew, whatever happened before', ({ scene, asked }) => {
  for (const { demand: wanted, avoidHosts } of asked) {
    const key = JSON.stringify(wanted)
    const known = scene.classes.of(key, wanted)
    const fresh = new DemandClasses(scene.board).of(key, wanted)
    assert.is(known.candidates.best([]) === undefined, fresh.candidates.best([]) === undefined)
    assert.is(known.candidates.best(avoidHosts) === undefined, fresh.candidates.best([]) === undefined)
    const finding = fullCheck(scene.board, known.rules, known.candidates)
    assert.is('host' in finding, known.candidates.best([]) !== undefined)
  }
})

engine.run()

// The scheduling engine: rules one by one, then properties that hold for any cluster and any tickets.
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Board } from '../../../../functions/runners/scheduler/board.ts'
import { decide, type Placed } from '../../../../functions/runners/scheduler/decide.ts'
import { DemandClasses } from '../../../../functions/runners/scheduler/demandClasses.ts'
import { Pile } from '../../../../functions/runners/scheduler/pile.ts'
import { fullCheck } from '../../../../functions/runners/scheduler/refusal.ts'
import { matches } from '../../../../functions/runners/scheduler/selector.ts'
import type { Holding } from '../../../../shared/model/holding.ts'
import type { HostDescription } from '../../../../shared/model/host.ts'
import { Placement } from '../../../../shared/model/placement.ts'
import { PortRequest } from '../../../../shared/model/port.ts'
import type { Ticket } from '../../../../shared/model/ticket.ts'
import { demand, hostNamed, ticket } from '../tree.ts'

const engine = suite('scheduling engine')

class Scene {
  readonly board = new Board(7)
  readonly pile = new Pile()
  readonly classes = new DemandClasses(this.board)
  nowMs = 0

  constructor(hosts: readonly HostDescription[]) {
    for (const description of hosts) this.board.put({ description, degraded: null })
  }

  decide(tickets: readonly Ticket[], limit = 10_000) {
    const { board, pile, classes } = this
    for (const one of tickets) this.pile.add(one, this.nowMs)
    const decisions = decide({ board, pile, classes, nowMs: this.nowMs, limit })
    for (const { entry } of decisions.placed) this.pile.remove(entry)
    this.nowMs += 10_000
    return {
      ...decisions,
      hosts: decisions.placed.map((placed) => placed.host),
      ships: decisions.placed.map((placed) => placed.entry.ticket.ship),
      reasons: decisions.blocked.map((group) => group.reason),
    }
  }
}

const tickets = (count: number, change: Partial<Ticket> = {}) =>
  Array.from({ length: count }, (_, i) => ticket(`ship-${i}`, change))
const small = { capacity: { cpuMillis: 1_000, memoryMiB: 1_024 } }
const portless = (placement: unknown = {}, fleet: string | null = null) =>
  demand({ ports: [], placement, fleet })

engine('packed fills one host before the next; distributed takes turns', () => {
  const hosts = ['a', 'b', 'c'].map((id) => hostNamed(id))
  const packed = new Scene(hosts).decide(tickets(6, { demand: portless() }))
  assert.is(new Set(packed.hosts).size, 1)
  const spread = new Scene(hosts).decide(tickets(6, { demand: portless({ strategy: 'distributed' }) }))
  assert.equal([...spread.hosts].sort(), ['a', 'a', 'b', 'b', 'c', 'c'])
})

engine('packed prefers a host in use to an empty one, however much is left of it', () => {
  const scene = new Scene([hostNamed('a'), hostNamed('b'), hostNamed('c')])
  const resources = { cpuMillis: 10, memoryMiB: 10 }
  scene.board.see('b', [{ ship: 'x', attempt: 1, fleet: null, resources, hostPorts: [] }])
  assert.equal(scene.decide(tickets(1)).hosts, ['b'])
})

engine('refusals name every reason, the most common first', () => {
  const eu = { labels: { region: 'eu' } }
  const scene = new Scene([
    hostNamed('a', { ...small, ...eu }),
    hostNamed('b', { ...eu, capacity: { cpuMillis: 1_000, memoryMiB: 512 } }),
    hostNamed('c', eu),
    hostNamed('d', { labels: { region: 'us' } }),
    hostNamed('e', { ...eu, taints: [{ key: 'gpu', value: '' }] }),
  ])
  scene.board.put({ description: hostNamed('c', eu), degraded: 'Docker does not answer' })
  const big = demand({
    resources: { cpuMillis: 500, memoryMiB: 2_048 },
    placement: { require: [{ key: 'region', operator: 'In', values: ['eu'] }] },
  })
  assert.equal(scene.decide(tickets(1, { demand: big })).reasons, [
    '2 hosts: not enough memory (wants 2048 MiB, best has 1024); 1 host: takes no new ships ' +
      '(Docker does not answer); 1 host: label region not in eu; 1 host: taint gpu not tolerated',
  ])
  assert.equal(new Scene([]).decide(tickets(1)).reasons, ['there are no hosts yet: join one'])
})

engine('pinned: that host or a refusal', () => {
  const scene = new Scene([hostNamed('a'), hostNamed('b')])
  assert.equal(scene.decide([ticket('x', { demand: portless({ host: 'b' }) })]).hosts, ['b'])
  assert.equal(scene.decide([ticket('y', { demand: portless({ host: 'z' }) })]).reasons, [
    'host z, to which it is pinned, is not there',
  ])
})

engine('selectors: all four operators', () => {
  const labels = { region: 'eu', gpu: '' }
  const cases: [Parameters<typeof matches>[0], boolean][] = [
    [{ key: 'region', operator: 'In', values: ['us', 'eu'] }, true],
    [{ key: 'region', operator: 'In', values: ['us'] }, false],
    [{ key: 'missing', operator: 'In', values: ['us'] }, false],
    [{ key: 'region', operator: 'NotIn', values: ['us'] }, true],
    [{ key: 'missing', operator: 'NotIn', values: ['us'] }, true],
    [{ key: 'region', operator: 'NotIn', values: ['eu'] }, false],
    [{ key: 'gpu', operator: 'Exists', values: [] }, true],
    [{ key: 'missing', operator: 'Exists', values: [] }, false],
    [{ key: 'missing', operator: 'DoesNotExist', values: [] }, true],
    [{ key: 'gpu', operator: 'DoesNotExist', values: [] }, false],
  ]
  for (const [selector, expected] of cases) assert.is(matches(selector, labels), expected)
})

engine('preferred labels win over packing; taints keep off those that do not tolerate them', () => {
  const hosts = [hostNamed('a'), hostNamed('b', { labels: { disk: 'ssd' } })]
  const scene = new Scene(hosts)
  const resources = { cpuMillis: 32_000, memoryMiB: 32_768 }
  scene.board.see('a', [{ ship: 'x', attempt: 1, fleet: null, resources, hostPorts: [] }])
  const prefer = [{ selector: { key: 'disk', values: ['ssd'] }, weight: 100 }]
  assert.equal(scene.decide([ticket('y', { demand: portless({ prefer }) })]).hosts, ['b'])
  const tainted = new Scene([hostNamed('a', { taints: [{ key: 'spot', value: 'x' }] })])
  assert.is(tainted.decide([ticket('y')]).placed.length, 0)
  assert.is(tainted.decide([ticket('z', { demand: portless({ tolerations: ['spot'] }) })]).placed.length, 1)
})

engine('anti-affinity: required leaves ships over, preferred doubles up only when it must', () => {
  const hosts = ['a', 'b', 'c'].map((id) => hostNamed(id))
  const required = new Scene(hosts).decide(
    tickets(4, { demand: portless({ antiAffinity: 'required' }, 'lobby') }),
  )
  assert.is(new Set(required.hosts).size, 3)
  assert.equal(required.reasons, ['3 hosts: already carries a ship of fleet lobby'])
  const preferred = new Scene(hosts).decide(
    tickets(7, { demand: portless({ antiAffinity: 'preferred' }, 'lobby') }),
  )
  const perHost = hosts.map(({ id }) => preferred.hosts.filter((host) => host === id).length)
  assert.equal(perHost.sort(), [2, 2, 3])
})

engine('spread: zones stay within the skew, and a full zone holds the others back', () => {
  const zone = (id: string, name: string, change = {}) => hostNamed(id, { labels: { zone: name }, ...change })
  const scene = new Scene([zone('a', 'x'), zone('b', 'x'), zone('c', 'y', small)])
  const spread = portless({ spread: { label: 'zone', maxSkew: 1 } }, 'lobby')
  const { hosts, reasons } = scene.decide(tickets(8, { demand: spread }))
  assert.is(hosts.filter((host) => host === 'c').length, 2)
  assert.is(hosts.length, 5)
  assert.equal(reasons, [
    '2 hosts: would put the zones of label zone more than 1 apart; ' +
      '1 host: not enough memory (wants 512 MiB, best has 0)',
  ])
})

engine('hosts that failed are avoided; with no other, the one that failed longest ago is tried', () => {
  const scene = new Scene([hostNamed('a'), hostNamed('b'), hostNamed('c')])
  assert.equal(scene.decide([ticket('x', { avoidHosts: ['a', 'c'] })]).hosts, ['b'])
  assert.equal(scene.decide([ticket('y', { avoidHosts: ['c', 'a', 'b'] })]).hosts, ['c'])
  assert.equal(new Scene([hostNamed('a')]).decide([ticket('x', { avoidHosts: ['a'] })]).hosts, ['a'])
})

engine('priority first, then age, and waiting long enough beats any priority', () => {
  const host = hostNamed('a', { capacity: { cpuMillis: 64_000, memoryMiB: 512 } })
  const scene = new Scene([host])
  assert.equal(scene.decide([ticket('low', { priority: 1 }), ticket('high', { priority: 9 })]).ships, [
    'high',
  ])
  scene.nowMs = 700_000
  scene.board.drop('high')
  assert.equal(scene.decide([ticket('new', { priority: 100 })]).ships, ['low'])
})

engine('a demand that does not fit does not hold back another', () => {
  const scene = new Scene([hostNamed('a', small)])
  const huge = demand({ resources: { cpuMillis: 500, memoryMiB: 4_096 } })
  const { ships } = scene.decide([ticket('huge', { demand: huge, priority: 100 }), ticket('fits')])
  assert.equal(ships, ['fits'])
})

engine('ports: a number just freed is not given again at once; static is exactly that; none is none', () => {
  const scene = new Scene([hostNamed('a', { ports: { from: 7_000, to: 7_003 } })])
  const first = scene.decide([ticket('x')]).placed[0]?.ports.game
  scene.board.drop('x')
  const second = scene.decide([ticket('y')]).placed[0]?.ports.game
  assert.is.not(first, second)
  const ports = [
    PortRequest.parse({
      name: 'game',
      policy: 'static',
      hostPort: 25_565,
      containerPort: 25_565,
      protocol: 'tcp',
    }),
    PortRequest.parse({
      name: 'query',
      policy: 'static',
      hostPort: 25_565,
      containerPort: 1,
      protocol: 'udp',
    }),
    PortRequest.parse({ name: 'inner', policy: 'none', containerPort: 2 }),
    PortRequest.parse({ name: 'voice', policy: 'passthrough' }),
  ]
  const placed = scene.decide([ticket('z', { demand: demand({ ports }) })]).placed[0] as Placed
  assert.is(placed.ports.game, 25_565)
  assert.is(placed.ports.query, 25_565)
  assert.not('inner' in placed.ports)
  assert.ok((placed.ports.voice ?? 0) >= 7_000)
  assert.equal(scene.decide([ticket('again', { demand: demand({ ports }) })]).reasons, [
    '1 host: port 25565 is taken',
  ])
})

engine('an assumption counts until the Advice shows the ship, anywhere; then the Advice counts', () => {
  const host = hostNamed('a', { capacity: { cpuMillis: 64_000, memoryMiB: 1_024 } })
  const scene = new Scene([host, hostNamed('b', { capacity: { cpuMillis: 0, memoryMiB: 0 } })])
  scene.decide([ticket('x')])
  assert.is(scene.board.host('a')?.freeMemoryMiB, 512)
  const resources = { cpuMillis: 500, memoryMiB: 512 }
  const holding: Holding = { ship: 'x', attempt: 1, fleet: null, resources, hostPorts: [7_000] }
  scene.board.see('a', [holding])
  assert.is(scene.board.host('a')?.freeMemoryMiB, 512)
  scene.board.see('a', [])
  assert.is(scene.board.host('a')?.freeMemoryMiB, 1_024)
  scene.decide([ticket('y')])
  scene.board.see('b', [{ ...holding, ship: 'y', attempt: 2 }])
  assert.is(scene.board.host('a')?.freeMemoryMiB, 1_024)
  scene.decide([ticket('z')])
  scene.board.expire(scene.nowMs)
  assert.is(scene.board.host('a')?.freeMemoryMiB, 1_024)
})

// --- properties -----------------------------------------------------------------------------------------

const label = fc.constantFrom('x', 'y', 'z')
const anyHost = fc.record({
  memoryMiB: fc.integer({ min: 0, max: 4_096 }),
  cpuMillis: fc.integer({ min: 0, max: 8_000 }),
  zone: fc.option(label, { nil: undefined }),
  disk: fc.option(label, { nil: undefined }),
  spot: fc.boolean(),
  degraded: fc.boolean(),
  width: fc.integer({ min: 0, max: 8 }),
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
  hosts.forEach(({ zone, disk, spot, degraded, width, memoryMiB, cpuMillis }, i) => {
    const description = hostNamed(`host-${i}`, {
      capacity: { cpuMillis, memoryMiB },
      ports: { from: 7_000, to: 7_000 + width },
      labels: { ...(zone && { zone }), ...(disk && { disk }) },
      taints: spot ? [{ key: 'spot', value: '' }] : [],
    })
    scene.board.put({ description, degraded: degraded ? 'ill' : null })
  })
  const made = demands.map(({ ports, placement, fleet, ...resources }) =>
    demand({
      resources,
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

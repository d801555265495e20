// The rules of scheduling, one by one.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { strandedShares } from '../../../../functions/runners/scheduler/figures.ts'
import type { Placed } from '../../../../functions/runners/scheduler/place.ts'
import { matches } from '../../../../functions/runners/scheduler/selector.ts'
import type { Holding } from '../../../../shared/model/holding.ts'
import { PortRequest } from '../../../../shared/model/port.ts'
import type { Ticket } from '../../../../shared/model/ticket.ts'
import { demand, hostNamed, ticket } from '../tree.ts'
import { Scene } from './scene.ts'

const engine = suite('scheduling rules')

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

engine('a ship goes home before all else; without room there or when home is gone, elsewhere', () => {
  const going = (only: boolean, change: Partial<Ticket> = {}) =>
    tickets(1, { demand: { ...portless({ strategy: 'distributed' }), home: { host: 'c', only } }, ...change })
  const hosts = ['a', 'b', 'c'].map((id) => hostNamed(id, small))
  const full = { ship: 'x', attempt: 1, fleet: null, resources: small.capacity, hostPorts: [] }
  for (const only of [false, true]) {
    assert.equal(new Scene(hosts).decide(going(only)).hosts, ['c'])
    assert.is(new Scene(hosts.slice(0, 2)).decide(going(only)).placed.length, 1)
    const closed = new Scene(hosts)
    closed.board.put({ description: hostNamed('c', small), degraded: 'cordoned' })
    assert.not.equal(closed.decide(going(only)).hosts, ['c'])
  }
  assert.not.equal(new Scene(hosts).decide(going(false, { avoidHosts: ['c'] })).hosts, ['c'])
  assert.equal(new Scene(hosts).decide(going(true, { avoidHosts: ['c'] })).hosts, ['c'])
  const crowded = new Scene(hosts)
  crowded.board.see('c', [full])
  assert.is(crowded.decide(going(false)).placed.length, 1)
  const waiting = new Scene(hosts)
  waiting.board.see('c', [full])
  const { placed, reasons } = waiting.decide(going(true))
  assert.is(placed.length, 0)
  assert.match(reasons[0] ?? '', /^1 host: not enough memory/)
  waiting.board.see('c', [])
  assert.equal(waiting.decide([]).hosts, ['c'])
})

engine('packed begins with the largest host, so that the fewest are used', () => {
  const hosts = [1, 4, 2].map((size) =>
    hostNamed(`size-${size}`, { capacity: { cpuMillis: size * 16_000, memoryMiB: size * 65_536 } }),
  )
  const resources = { cpuMillis: 8_000, memoryMiB: 8_192 }
  const { hosts: taken } = new Scene(hosts).decide(
    tickets(14, { demand: demand({ resources, ports: [], placement: {} }) }),
  )
  assert.equal([...new Set(taken)], ['size-4', 'size-2', 'size-1'])
})

engine(
  'packed has a host of each shape open, so that ships leave nothing over that others cannot use',
  () => {
    const hosts = [4, 4, 2, 2].map((perCore, i) =>
      hostNamed(`${perCore}-${i}`, { capacity: { cpuMillis: 32_000, memoryMiB: 32 * perCore * 1_024 } }),
    )
    const of = (memoryMiB: number) =>
      demand({ resources: { cpuMillis: 1_000, memoryMiB }, ports: [], placement: {} })
    const mixed = Array.from({ length: 128 }, (_, i) =>
      ticket(`ship-${i}`, { demand: of(i % 2 ? 1_024 : 5_120) }),
    )
    const scene = new Scene(hosts)
    assert.is(scene.decide(mixed).placed.length, 128)
    for (const row of scene.board.rows) assert.equal([row?.freeCpuMillis, row?.freeMemoryMiB], [0, 0])
  },
)

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
  assert.equal(new Scene([]).decide(tickets(1)).reasons, [
    'no host is online: join one, or start the agent of one that has joined',
  ])
})

engine('disk and named resources: counted, and refused by name', () => {
  const gpus = (gpu: number) => ({ capacity: { ...big, diskMiB: 1_000, extra: { gpu } } })
  const big = { cpuMillis: 64_000, memoryMiB: 65_536 }
  const scene = new Scene([hostNamed('none'), hostNamed('one', gpus(1)), hostNamed('two', gpus(2))])
  const asking = (more: object) => demand({ ports: [], resources: { cpuMillis: 10, memoryMiB: 8, ...more } })
  const { hosts, reasons } = scene.decide(tickets(4, { demand: asking({ extra: { gpu: 1 } }) }))
  assert.equal(hosts.toSorted(), ['one', 'two', 'two'])
  assert.equal(reasons, ['3 hosts: not enough gpu (wants 1, best has 0)'])
  scene.board.drop('ship-0')
  assert.is(scene.decide([]).placed.length, 1)
  const { reasons: full } = scene.decide([ticket('x', { demand: asking({ diskMiB: 1_001 }) })])
  assert.ok(full.includes('3 hosts: not enough disk (wants 1001 MiB, best has 1000)'))
  // A host that comes back has its old room, and another that takes its slot has its own.
  scene.board.remove('two')
  scene.board.put({ description: hostNamed('other'), degraded: null })
  assert.is(scene.board.host('other')?.free('gpu'), 0)
  // Names that every object has are no resources.
  const odd = asking({ extra: { constructor: 1 } })
  assert.is(scene.decide([ticket('y', { demand: odd })]).hosts.length, 0)
})

engine('what a host gives to ships is its capacity, overcommitted, less what it reserves', () => {
  const host = hostNamed('a', {
    capacity: { cpuMillis: 1_000, memoryMiB: 1_000, extra: { gpu: 1 } },
    overcommit: { cpu: 3, gpu: 2 },
    reserved: { cpuMillis: 500, memoryMiB: 200 },
  })
  const resources = { cpuMillis: 500, memoryMiB: 100 }
  const scene = new Scene([host])
  const { hosts, reasons } = scene.decide(tickets(9, { demand: demand({ ports: [], resources }) }))
  assert.is(hosts.length, 5)
  assert.equal(reasons, ['1 host: not enough CPU (wants 500 millicores, best has 0)'])
  assert.equal([scene.board.host('a')?.freeMemoryMiB, scene.board.host('a')?.free('gpu')], [300, 2])
})

engine('every placement says why that host, in numbers that add up', () => {
  const eu = { labels: { region: 'eu', disk: 'ssd' } }
  const scene = new Scene([
    hostNamed('a', eu),
    hostNamed('b', { labels: { region: 'eu' } }),
    hostNamed('c', { ...eu, ...small }),
    hostNamed('d', { labels: { region: 'us' } }),
  ])
  const wanted = demand({
    fleet: 'lobby',
    resources: { cpuMillis: 10, memoryMiB: 2_048 },
    placement: {
      require: [{ key: 'region', values: ['eu'] }],
      prefer: [{ selector: { key: 'disk', values: ['ssd'] }, weight: 30 }],
      antiAffinity: 'preferred',
    },
  })
  const [one] = scene.decide([ticket('x', { demand: wanted })]).placed
  const { strategy = -1, ...score } = one?.why?.score ?? {}
  assert.is(one?.host, 'a')
  assert.equal(
    { ...one?.why, score },
    {
      ...{ hosts: 4, feasible: 2, ruledOut: { memory: 1, label: 1 } },
      score: { preferred: 30, apart: 1_024 },
    },
  )
  assert.ok(strategy >= 0 && strategy <= 100)
  // In a record of a hundred thousand hosts it takes at most 200 bytes.
  const why = { hosts: 100_000, feasible: 98_123, ruledOut: { memory: 1_234, closed: 12, label: 631 } }
  const record = { placement: { ...why, score: one?.why?.score, at: new Date().toISOString() } }
  assert.ok(JSON.stringify(record).length < 200)
})

engine('stranded is what is free where less is left of the other', () => {
  const capacity = { cpuMillis: 1_000, memoryMiB: 1_000 }
  const scene = new Scene([hostNamed('a', { capacity }), hostNamed('b', { capacity })])
  assert.equal(strandedShares(scene.board), { cpu: 0, memory: 0 })
  const resources = { cpuMillis: 1_000, memoryMiB: 200 }
  scene.board.see('a', [{ ship: 'x', attempt: 1, fleet: null, resources, hostPorts: [] }])
  assert.equal(strandedShares(scene.board), { cpu: 0, memory: 0.4 })
  assert.equal(strandedShares(new Scene([]).board), { cpu: 0, memory: 0 })
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

engine(
  'ports of a named range come from it; a host without it, or with none left there, is named with the range',
  () => {
    const query = { from: 27_000, to: 27_001 }
    const ranges = { ports: { from: 7_000, to: 7_099 }, portRanges: { query } }
    const ports = [
      PortRequest.parse({ name: 'game', policy: 'passthrough' }),
      PortRequest.parse({ name: 'query', containerPort: 1, range: 'query' }),
    ]
    const scene = new Scene([hostNamed('a', ranges), hostNamed('old')])
    const fixed = { name: 'query', policy: 'static', hostPort: 1, containerPort: 1, range: 'query' }
    assert.not(PortRequest.safeParse(fixed).success)
    const { placed, hosts, reasons } = scene.decide(tickets(3, { demand: demand({ ports }) }))
    assert.equal(hosts, ['a', 'a'])
    assert.equal(placed.map(({ ports }) => ports.query).sort(), [27_000, 27_001])
    assert.ok(placed.every(({ ports }) => (ports.game ?? 0) >= 7_000 && (ports.game ?? 0) < 7_100))
    assert.equal(reasons, ['2 hosts: not enough free ports of the range "query" (wants 1, best has 0)'])
    // Freed, a number is given again; the default range was never short.
    scene.board.drop(placed[0]?.entry.ticket.ship ?? '')
    assert.equal(scene.decide([]).hosts, ['a'])
    // An agent refuses such ranges; from elsewhere they count as if they were not there.
    const overlapping = {
      ports: { from: 7_000, to: 7_099 },
      portRanges: { query: { from: 7_050, to: 7_150 } },
    }
    const wrong = new Scene([hostNamed('b', overlapping)]).decide(tickets(1, { demand: demand({ ports }) }))
    assert.equal(wrong.hosts, [])
  },
)

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

engine('an assumption counts until the Advice shows the ship, anywhere, or that it has ended', () => {
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
  scene.board.see('a', [], [{ ship: 'z', attempt: 1 }])
  assert.is(scene.board.host('a')?.freeMemoryMiB, 1_024)
})

engine.run()

// What holds for any cluster and any tickets.
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { DemandClasses } from '../../../../functions/runners/scheduler/demandClasses.ts'
import { placeGang } from '../../../../functions/runners/scheduler/gang.ts'
import { type Entry, Pile } from '../../../../functions/runners/scheduler/pile.ts'
import { fullCheck } from '../../../../functions/runners/scheduler/refusal.ts'
import { matches } from '../../../../functions/runners/scheduler/selector.ts'
import type { Explanation } from '../../../../shared/model/explanation.ts'
import { ticket } from '../tree.ts'
import { anyCluster, play } from './anyCluster.ts'
import { hasRoom, howMany, suitsOf } from './oracle.ts'

const engine = suite('properties of scheduling')

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
      if (living.get(holding.ship)?.placed !== placed) continue
      for (const number of holding.hostPorts) {
        const key = `${placed.host}:${number}`
        assert.not(taken.has(key))
        taken.add(key)
      }
    }
  },
)

holds('every placement keeps the constraints that held when it was made', ({ history }) => {
  for (const { before, placed, hosts } of history) {
    const hostOf = (id: string) => hosts.find((row) => row.id === id)
    const { demand: wanted } = placed.entry.ticket
    const { placement, fleet, ports } = wanted
    const row = hostOf(placed.host)
    assert.ok(row && row.degraded === null)
    const { labels, taints, ports: usual, portRanges } = row.description
    for (const one of placement.require) assert.ok(matches(one, labels))
    for (const { key } of taints) assert.ok(placement.tolerations.includes(key))
    if (placement.host !== undefined) assert.is(placed.host, placement.host)
    const mates = before.filter(({ entry }) => fleet !== null && entry.ticket.demand.fleet === fleet)
    if (placement.antiAffinity === 'required') assert.not(mates.some(({ host }) => host === placed.host))
    for (const port of ports) {
      const number = placed.ports[port.name]
      const range = port.range === undefined ? usual : (portRanges?.[port.range] ?? { from: 0, to: -1 })
      if (port.policy === 'none') assert.is(number, undefined)
      else if (port.policy === 'static') assert.is(number, port.hostPort)
      else assert.ok(number !== undefined && number >= range.from && number <= range.to)
    }
    if (!placement.spread || placement.host !== undefined) continue
    const suits = hosts.filter((one) => suitsOf(wanted, one) && one.description.labels.zone !== undefined)
    const inZone = (zone: string | undefined) =>
      mates.filter(({ host }) => hostOf(host)?.description.labels.zone === zone).length
    const fewest = Math.min(...suits.map((one) => inZone(one.description.labels.zone)))
    assert.ok(inZone(labels.zone) + 1 - fewest <= placement.spread.maxSkew)
  }
})

holds('every placement is explained, by counts of all hosts', ({ history }) => {
  for (const { placed } of history) {
    assert.ok(placed.why)
    const { hosts, feasible, ruledOut, score } = placed.why as Explanation
    const refused = Object.values(ruledOut).reduce((sum, count) => sum + count, 0)
    assert.ok(score && feasible > 0 && score.strategy >= 0 && score.apart >= 0 && score.preferred >= 0)
    assert.is(feasible + refused, hosts)
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

holds('"no room" is said only when no host can take the ship', ({ refused }) => {
  for (const { demand: wanted, living, hosts } of refused) {
    // Two ports that ask for the same number fit nowhere; a spread may open a zone once others are placed.
    const numbers = wanted.ports.flatMap(({ hostPort }) => (hostPort === undefined ? [] : [hostPort]))
    if (new Set(numbers).size < numbers.length || wanted.placement.spread) continue
    assert.not(hosts.some((row) => suitsOf(wanted, row) && hasRoom(wanted, row, living)))
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
    const finding = fullCheck(scene.board, known)
    assert.is('host' in finding, known.candidates.best([]) !== undefined)
  }
})

engine(
  'a gang is placed as a whole or leaves everything as it was; of equal ships, whenever that is possible',
  () => {
    fc.assert(
      fc.property(anyCluster, fc.integer({ min: 1, max: 12 }), (cluster, count) => {
        const { scene, asked } = play(cluster)
        const wanted = asked[0]?.demand
        if (!wanted) return
        const { board, classes, nowMs } = scene
        const pile = new Pile()
        const members = Array.from({ length: count }, (_, i) => {
          const entry = pile.add(ticket(`gang-${i}`, { demand: wanted }), nowMs) as Entry
          return { entry, key: JSON.stringify(wanted) }
        })
        const left = () =>
          board.rows.map((row) => row && [row.freeCpuMillis, row.freeMemoryMiB, row.ports.freeInRange])
        const before = left()
        const possible = wanted.placement.spread ? undefined : howMany(wanted, board.rows)
        const result = placeGang({ board, classes, members, nowMs, mayCheck: true })
        if (possible !== undefined) assert.is('placed' in result, possible >= count)
        if ('placed' in result) {
          assert.equal(
            new Set(result.placed.map(({ entry }) => entry)),
            new Set(members.map(({ entry }) => entry)),
          )
          for (const [cpu, memory, ports] of left().filter((row) => row !== undefined)) {
            assert.ok(Math.min(cpu as number, memory as number, ports as number) >= 0)
          }
          return
        }
        assert.equal(left(), before)
        assert.ok(result.check && result.room < count)
        const alone = scene.decide(members.map(({ entry }) => entry.ticket))
        assert.ok(alone.placed.filter(({ entry }) => entry.ticket.ship.startsWith('gang')).length < count)
      }),
      { numRuns: 300 },
    )
  },
)

engine.run()

// Gangs: ships that are placed all or none.
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { excuse, missingShips } from '../../../../functions/runners/scheduler/rollCall.ts'
import { type Gang, gangFor, shipsOfGang } from '../../../../shared/model/gang.ts'
import { decodeTickets, encodeTickets, type Ticket } from '../../../../shared/model/ticket.ts'
import { demand, hostNamed, ticket } from '../tree.ts'
import { anyCluster, play } from './anyCluster.ts'
import { howMany } from './oracle.ts'
import { Scene } from './scene.ts'

const gangs = suite('gangs')

const gangOf = (name: string, size: number): Gang => gangFor('duel', name, size)
const ticketsOf = (gang: Gang, change: Partial<Ticket> = {}): Ticket[] =>
  shipsOfGang(gang).map((ship) => ticket(ship, { gang, demand: demand({ ports: [] }), ...change }))
/** Takes two ships of 512 MiB. */
const small = (id: string) => hostNamed(id, { capacity: { cpuMillis: 1_000, memoryMiB: 1_024 } })

gangs('goes in one turn, however small the turn; one without room for all takes nothing and says why', () => {
  const scene = new Scene([small('a'), small('b')])
  const five = ticketsOf(gangOf('five', 5))
  const { placed, reasons } = scene.decide(five, 1)
  assert.is(placed.length, 0)
  assert.is(
    reasons[0],
    'room for 4 of 5 ships that go together; 2 hosts: not enough memory (wants 512 MiB, best has 0)',
  )
  scene.board.put({ description: small('c'), degraded: null })
  const next = scene.decide([], 1)
  assert.equal(next.ships.sort(), five.map(({ ship }) => ship).sort())
  assert.ok(next.placed.every(({ why }) => why.score && why.hosts === 3))
  assert.equal(next.reasons, [])
})

gangs('holds back nobody: neither single ships nor gangs that are small enough', () => {
  const scene = new Scene([small('a'), small('b')])
  const large = ticketsOf(gangOf('large', 6), { priority: 100 })
  const fitting = ticketsOf(gangOf('fitting', 3))
  const { ships, reasons } = scene.decide([
    ...large,
    ...fitting,
    ticket('alone', { demand: demand({ ports: [] }) }),
  ])
  assert.equal(ships, [...fitting.map(({ ship }) => ship), 'alone'])
  assert.match(reasons[0] ?? '', /^room for 4 of 6 /)
})

gangs('stands where its highest, then its oldest ship stands', () => {
  const scene = new Scene([small('a'), small('b')])
  const [early, late] = [ticketsOf(gangOf('early', 3)), ticketsOf(gangOf('late', 3))]
  assert.is(scene.decide([early[2] as Ticket]).placed.length, 0)
  const { ships } = scene.decide([...late, ...early])
  assert.equal(ships.sort(), early.map(({ ship }) => ship).sort())
  const other = new Scene([small('a'), small('b')])
  const urgent = [{ ...(late[0] as Ticket), priority: 90 }, ...late.slice(1)]
  assert.equal(other.decide([...early, ...urgent]).ships.sort(), late.map(({ ship }) => ship).sort())
})

gangs('waits for all of its ships, but not for those that have a host, come alone or are excused', () => {
  const scene = new Scene([hostNamed('a')])
  const all = ticketsOf(gangOf('six', 6))
  const [boarded, alone, excused, dropped, ...rest] = all as [Ticket, Ticket, Ticket, Ticket, ...Ticket[]]
  assert.is(scene.decide(rest).placed.length, 0)
  assert.is(missingShips(scene.pile).length, 4)
  const { resources } = boarded.demand
  scene.board.see('a', [{ ship: boarded.ship, attempt: 1, fleet: null, resources, hostPorts: [] }])
  const { gang: _, ...single } = alone
  assert.equal(scene.decide([{ ...single, attempt: 2 }]).ships, [alone.ship])
  assert.equal(missingShips(scene.pile).sort(), [excused.ship, dropped.ship].sort())
  assert.is(excuse(new Set(), scene.pile)[0]?.reason?.startsWith('waits for 2 of the 6 ships'), true)
  assert.is(excuse(new Set([excused.ship]), scene.pile).length, 1)
  scene.pile.remove(scene.pile.add(dropped, scene.nowMs, 1_000) as never)
  assert.is(scene.decide([]).placed.length, 0)
  scene.pile.add(dropped, scene.nowMs)
  assert.is(excuse(new Set(), scene.pile).length, 1)
  assert.equal(scene.decide([]).ships.sort(), [dropped, ...rest].map(({ ship }) => ship).sort())
})

gangs('a ship that leaves while its gang waits is not waited for', () => {
  const scene = new Scene([small('a'), small('b')])
  const [first, ...rest] = ticketsOf(gangOf('five', 5)) as [Ticket, ...Ticket[]]
  assert.is(scene.decide([first, ...rest]).placed.length, 0)
  scene.pile.remove(scene.pile.get(first.ship) as never)
  assert.equal(scene.decide([]).ships.sort(), rest.map(({ ship }) => ship).sort())
})

gangs('a thousand gangs that fit nowhere cost one trial for all of them, and rest in between', () => {
  const scene = new Scene([small('a'), small('b')])
  const many = Array.from({ length: 1_000 }, (_, i) => ticketsOf(gangOf(`big-${i}`, 5))).flat()
  const first = scene.decide(many)
  assert.is(first.blocked.length, 1_000)
  assert.ok(first.reasons.every((reason) => reason?.startsWith('room for 4 of 5 ')))
  assert.ok(scene.board.changes.version < 100, `${scene.board.changes.version} changes`)
  const after = scene.board.changes.version
  scene.nowMs -= 10_000 - 0.5
  assert.is(scene.decide([]).placed.length, 0)
  assert.is(scene.board.changes.version, after, 'all of them rest')
  scene.nowMs -= 10_000 - 1
  assert.is(scene.decide([]).placed.length, 0)
  assert.ok(scene.board.changes.version <= 2 * after + 1, 'one trial speaks for all')
  const [fits] = [ticketsOf(gangOf('small', 4))]
  assert.is(scene.decide(fits).placed.length, 4)
})

gangs('names of a gang come from its own; a ticket has it for some bytes, and one without for none', () => {
  const gang = gangOf('key', 64)
  assert.is(new Set(shipsOfGang(gang)).size, 64)
  assert.equal(shipsOfGang(gangOf('key', 64)), shipsOfGang(gang))
  assert.ok(shipsOfGang(gang).every((ship) => /^duel-[a-z0-9]{8}$/.test(ship)))
  const all = ticketsOf(gang)
  const plain = all.map(({ gang: _, ...rest }) => rest)
  const mixed = [...plain.slice(0, 3).map((one) => ({ ...one, ship: `x-${one.ship}` })), ...all]
  assert.equal(decodeTickets(encodeTickets(mixed)), mixed)
  assert.not.ok(encodeTickets(plain).includes('gang'))
  assert.ok(encodeTickets(all).length - encodeTickets(plain).length < 64 * 3 + 80)
})

const anyGangs = fc.array(
  fc.record({
    size: fc.integer({ min: 2, max: 8 }),
    demands: fc.array(fc.nat(3), { minLength: 1, maxLength: 2 }),
    priority: fc.nat(100),
    /** Ships that come a turn later, and how many never come but are excused. */
    late: fc.nat(7),
    excused: fc.nat(2),
  }),
  { minLength: 1, maxLength: 5 },
)

gangs('no turn ever places a part of a gang, whatever the cluster; who is refused is told a truth', () => {
  fc.assert(
    fc.property(anyCluster, anyGangs, (cluster, wanted) => {
      const { scene, asked } = play(cluster)
      const demands = [...new Set(asked.map((one) => one.demand))]
      if (demands.length === 0) return
      for (const entry of [...scene.pile.ships].map((ship) => scene.pile.get(ship))) {
        if (entry) scene.pile.remove(entry)
      }
      const mine = new Map<string, Ticket[]>()
      const late: Ticket[] = []
      const absent = new Set<string>()
      wanted.forEach(({ size, demands: at, priority, late: lateCount, excused }, number) => {
        const gang = gangOf(`gang-${number}`, size)
        const all = shipsOfGang(gang).map((ship, i) =>
          ticket(ship, {
            ...{ gang, priority },
            demand: demands[(at[i % at.length] as number) % demands.length] as Ticket['demand'],
          }),
        )
        for (const { ship } of all.splice(0, Math.min(excused, size - 1))) absent.add(ship)
        mine.set(gang.id, all)
        late.push(...all.slice(0, lateCount))
      })
      const early = [...mine.values()].flat().filter((one) => !late.includes(one))
      const done = new Set<string>()
      const before = () =>
        scene.board.rows.map((row) => row && [row.freeCpuMillis, row.freeMemoryMiB, row.ports.freeInRange])
      const turn = (tickets: readonly Ticket[]) => {
        const was = before()
        const { placed, blocked } = scene.decide(tickets)
        const taken = new Set(placed.map(({ entry }) => entry.ticket.ship))
        for (const [id, all] of mine) {
          const here = all.filter(({ ship }) => taken.has(ship)).length
          assert.ok(here === 0 || here === all.length, `${here} of ${all.length}`)
          if (here > 0) assert.not(done.has(id))
          if (here > 0) done.add(id)
        }
        if (placed.length === 0) assert.equal(before(), was)
        for (const row of scene.board.rows) {
          assert.ok(!row || (row.freeCpuMillis >= 0 && row.freeMemoryMiB >= 0))
        }
        return blocked
      }
      turn(early)
      for (const id of mine.keys()) if (late.some(({ gang }) => gang?.id === id)) assert.not(done.has(id))
      turn(late)
      excuse(absent, scene.pile)
      turn([])
      const blocked = turn([])
      assert.is(blocked.length + done.size, mine.size)
      for (const group of blocked) {
        const all = mine.get(group.muster?.gang.id as string) as Ticket[]
        assert.match(group.reason as string, new RegExp(`^room for \\d+ of ${all.length} ships`))
        const keys = new Set(all.map((one) => JSON.stringify(one.demand)))
        const [{ demand: each }] = all as [Ticket]
        if (keys.size > 1 || each.placement.spread) continue
        assert.ok(howMany(each, scene.board.rows) < all.length)
      }
    }),
    { numRuns: 300 },
  )
})

gangs.run()

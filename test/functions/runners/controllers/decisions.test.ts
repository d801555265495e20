// What the controllers decide, without any I/O.
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Brakes, noteFailures } from '../../../../functions/runners/controllers/fleets/crashBrake.ts'
import {
  type FleetPicture,
  needOf,
  shipsInStep,
} from '../../../../functions/runners/controllers/fleets/fleetPlan.ts'
import { findLost } from '../../../../functions/runners/controllers/hosts/hostWatch.ts'
import { leavingOf } from '../../../../functions/runners/controllers/hosts/keepDrains.ts'
import { stormBrake, stormText } from '../../../../functions/runners/controllers/hosts/stormBrake.ts'
import { forget } from '../../../../functions/runners/controllers/watchlist/forget.ts'
import { resolveLost } from '../../../../functions/runners/controllers/watchlist/lost.ts'
import { queueAgain } from '../../../../functions/runners/controllers/watchlist/tickets.ts'
import type { HostShips } from '../../../../shared/api/moves.ts'
import { isLive, ShipState } from '../../../../shared/model/shipState.ts'

const controllers = suite('decisions of the controllers')

const fleet = (ships: FleetPicture['ships'], replicas: number, deleting = false): FleetPicture => ({
  name: 'lobby',
  revision: '7',
  ships,
  replicas,
  deleting,
})
const expendable = ['Queued', 'Scheduled', 'Starting', 'Unhealthy', 'Ready']

controllers(
  'a fleet below its number gets ships, at most 50 a step; Lost ones count, Stopping ones do not',
  () => {
    assert.equal(needOf(fleet({}, 120)), { do: 'create', count: 50 })
    assert.equal(needOf(fleet({ Ready: 3, Lost: 1, Stopping: 4, Failed: 9, Stopped: 9 }, 6)), {
      do: 'create',
      count: 2,
    })
    assert.equal(needOf(fleet({ Ready: 3, Allocated: 3 }, 6)), { do: 'nothing' })
  },
)

controllers('a fleet above its number stops what it may, and never what is in use', () => {
  assert.equal(needOf(fleet({ Ready: 3, Allocated: 3 }, 4)), { do: 'stop', count: 2, states: expendable })
  assert.equal(needOf(fleet({ Ready: 1, Allocated: 3, Reserved: 2 }, 0)), {
    do: 'stop',
    count: 1,
    states: expendable,
  })
  assert.equal(needOf(fleet({ Allocated: 3 }, 0)), { do: 'nothing' })
})

controllers('a fleet that is being deleted stops all, waits for the last, then is forgotten', () => {
  const need = needOf(fleet({ Ready: 1, Allocated: 2, Stopping: 1, Stopped: 5 }, 0, true))
  assert.is(need.do, 'stop')
  assert.ok(need.do === 'stop' && need.count === 3 && need.states.includes('Allocated'))
  assert.equal(needOf(fleet({ Stopping: 1, Stopped: 5 }, 0, true)), { do: 'nothing' })
  assert.equal(needOf(fleet({ Stopped: 5, Failed: 1 }, 0, true)), { do: 'forget' })
})

controllers('steps lead to the number asked for and stay there', () => {
  const counts = fc.dictionary(fc.constantFrom(...ShipState.options), fc.nat(200))
  fc.assert(
    fc.property(counts, fc.nat(300), (before, replicas) => {
      const ships: Partial<Record<ShipState, number>> = { ...before }
      const inUse = (ships.Allocated ?? 0) + (ships.Reserved ?? 0) + (ships.Lost ?? 0)
      for (let steps = 0; steps < 40; steps++) {
        const need = needOf(fleet(ships, replicas))
        if (need.do === 'nothing') break
        if (need.do === 'create') ships.Queued = (ships.Queued ?? 0) + need.count
        if (need.do !== 'stop') continue
        let left = Math.min(need.count, shipsInStep.stop)
        for (const state of need.states) {
          const some = Math.min(left, ships[state] ?? 0)
          ships[state] = (ships[state] ?? 0) - some
          left -= some
        }
      }
      const live = ShipState.options.reduce(
        (sum, state) => sum + (isLive(state) ? (ships[state] ?? 0) : 0),
        0,
      )
      assert.is(live, Math.max(replicas, inUse))
      assert.is((ships.Allocated ?? 0) + (ships.Reserved ?? 0) + (ships.Lost ?? 0), inUse)
    }),
  )
})

controllers('crash brake: pauses double up to a minute, and calm ends them', () => {
  let record = noteFailures(undefined, 4, 0)
  assert.is(record.untilMs, 0)
  const pauses: number[] = []
  for (let i = 1; i <= 8; i++) {
    const nowMs = i * 70_000
    record = noteFailures(record, 4 + i, nowMs)
    pauses.push(record.untilMs - nowMs)
  }
  assert.equal(pauses, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000])
  record = noteFailures(record, 3, 600_000)
  assert.is(record.streak, 8)
  record = noteFailures(record, 3, 900_000)
  assert.is(record.streak, 0)
})

controllers('crash brake: a crash loop is told once, and its end; a later leader takes it over', () => {
  const seen = (failures: number, crashLoop?: string, revision = 1) => ({
    ...{ name: 'lobby', blueprint: { name: 'arena', revision }, failures },
    ...(crashLoop !== undefined && { crashLoop }),
  })
  const after = (brakes: Brakes, fleet: ReturnType<typeof seen>, nowMs: number) => {
    brakes.look(fleet, nowMs)
    return brakes.wordOn(fleet)
  }
  const first = new Brakes()
  assert.is(after(first, seen(0), 0), undefined)
  assert.is(after(first, seen(1), 1_000), undefined)
  assert.is(after(first, seen(2), 3_000), undefined)
  const told = after(first, seen(3), 6_000)?.crashLoop ?? ''
  assert.match(told, /^Ships of revision 1 keep failing \(3 are on record\)/)
  assert.is(after(first, seen(4, told), 10_000), undefined, 'it is told already')
  assert.ok(first.look(seen(4, told), 17_999), 'the fourth failure pauses for 8 s')
  assert.not.ok(first.look(seen(4, told), 18_000))

  const second = new Brakes()
  assert.is(after(second, seen(4, told), 20_000), undefined, 'it goes on at a change of leaders')
  assert.ok(second.look(seen(5, told), 30_000))
  assert.ok(second.look(seen(5, told), 37_999), 'as the fourth in a row')
  assert.is(after(second, seen(5, told), 97_000), undefined)
  assert.equal(after(second, seen(5, told), 98_001), { do: 'tell', crashLoop: null })
  assert.is(after(second, seen(5), 99_000), undefined)

  assert.ok(second.look(seen(6), 100_000))
  assert.not.ok(second.look(seen(0, undefined, 2), 100_001), 'another revision begins anew')
  second.forgetAllBut([])
  assert.is(second.wordOn(seen(6)), undefined)
})

const hostShips = (change: Partial<HostShips> = {}): HostShips => ({
  lastReportAt: null,
  ships: (['Ready', 'Stopping', 'Allocated'] as const).map((state, i) => ({
    id: `ship-${i}`,
    attempt: 3,
    state,
    host: 'one',
    stateSince: '2026-01-01T00:00:00.000Z',
    policy: 'replace' as const,
    afterMs: i === 2 ? 60_000 : 30_000,
  })),
  ...change,
})

controllers('ships are lost after their own time, by our clock and by the age of the last report', () => {
  const nowMs = Date.parse('2026-01-01T01:00:00.000Z')
  const early = findLost('one', hostShips(), 20_000, nowMs)
  assert.equal(early, { lost: [], dueInMs: 10_000 })
  const { lost, dueInMs } = findLost('one', hostShips(), 31_000, nowMs)
  assert.equal(
    lost.map(({ ship, to, attempt }) => [ship, to, attempt]),
    [
      ['ship-0', 'Lost', 3],
      ['ship-1', 'Stopped', 3],
    ],
  )
  assert.is(dueInMs, 29_000)
  const lastReportAt = new Date(nowMs - 5_000).toISOString()
  assert.equal(findLost('one', hostShips({ lastReportAt }), 3_600_000, nowMs), { lost: [], dueInMs: 25_000 })
})

controllers('what becomes of the lost, of those without ticket, and of the ended', () => {
  const brief = { attempt: 2, state: 'Lost' as const, host: 'one', stateSince: '2026-01-01T00:00:00.000Z' }
  const lost = (['replace', 'wait', 'fail'] as const).map((policy) => ({ ...brief, id: policy, policy }))
  assert.equal(
    resolveLost({ lost }, null).map(({ ship, to }) => [ship, to]),
    [
      ['replace', 'Queued'],
      ['fail', 'Failed'],
    ],
  )
  assert.equal(resolveLost({ lost }, 'a storm'), [])
  const again = queueAgain({ withoutTicket: [{ ...brief, id: 'a' }], unclaimed: [{ ...brief, id: 'b' }] })
  assert.equal(
    again.map(({ ship, to, attempt }) => [ship, to, attempt]),
    [
      ['a', 'Queued', 2],
      ['b', 'Queued', 2],
    ],
  )
  assert.match(again[1]?.reason as string, 'host one did not claim it')
  assert.equal(forget({ finished: [{ ...brief, id: 'c' }] })[0]?.to, 'Forgotten')
})

controllers('a drain: fleets replace theirs, others move, those in use stay until it is overdue', () => {
  const ship = (id: string, state: ShipState, fleet: string | null = null) => ({
    id,
    attempt: 2,
    state,
    fleet,
  })
  const ships = [
    ship('of-fleet', 'Ready', 'lobby'),
    ship('alone', 'Ready'),
    ship('starts', 'Starting'),
    ship('in-use', 'Allocated'),
    ship('kept', 'Reserved', 'lobby'),
    { ...ship('ill-in-use', 'Unhealthy', 'lobby'), wasInUse: 'Allocated' as const },
    { ...ship('ill-alone', 'Unhealthy'), wasInUse: 'Allocated' as const },
    ship('ill', 'Unhealthy'),
  ]
  const names = (list: { ship: string }[]) => list.map((one) => one.ship)
  const before = leavingOf({ overdue: false, ships })
  assert.equal([names(before.stop), names(before.move)], [['of-fleet'], ['alone', 'starts', 'ill']])
  const after = leavingOf({ overdue: true, ships })
  assert.equal(
    [names(after.stop), names(after.move)],
    [
      ['of-fleet', 'in-use', 'kept', 'ill-in-use', 'ill-alone'],
      ['alone', 'starts', 'ill'],
    ],
  )
  const many = Array.from({ length: 250 }, (_, i) => ship(`s-${i}`, 'Ready'))
  assert.is(leavingOf({ overdue: false, ships: many }).move.length, 100)
})

const sightings = (present: number, absent: number, sinceMs = 0) =>
  new Map<string, number | null>([
    ...Array.from({ length: present }, (_, i) => [`p${i}`, null] as const),
    ...Array.from({ length: absent }, (_, i) => [`a${i}`, sinceMs] as const),
  ])

controllers('storm brake: more than half within a minute, of at least three; half back releases it', () => {
  assert.is(stormBrake(null, sightings(0, 2), 0), null)
  assert.is(stormBrake(null, sightings(2, 2), 0), null)
  assert.is(stormBrake(null, sightings(1, 2), 61_000), null)
  let brake = stormBrake(null, sightings(4, 6), 1_000)
  assert.is(brake?.vanished.size, 6)
  brake = stormBrake(brake, sightings(4, 6), 3_600_000)
  assert.is(brake?.vanished.size, 6)
  assert.match(
    stormText(brake as NonNullable<typeof brake>),
    '6 of 10 hosts vanished within a minute (a0, a1',
  )
  const back = sightings(4, 6)
  back.set('a0', null).set('a1', null)
  brake = stormBrake(brake, back, 3_600_000)
  assert.ok(brake)
  back.set('a2', null)
  assert.is(stormBrake(brake, back, 3_600_000), null)
})

controllers('storm brake: hosts that are taken out of the cluster do not keep it on', () => {
  const brake = stormBrake(null, sightings(1, 4), 0)
  assert.ok(brake)
  assert.is(stormBrake(brake, sightings(1, 0), 3_600_000), null)
})

controllers('storm brake: hosts that go one after another are replaced', () => {
  let brake: ReturnType<typeof stormBrake> = null
  for (let gone = 0; gone <= 10; gone++) {
    const hosts = sightings(10 - gone, 0)
    for (let i = 0; i < gone; i++) hosts.set(`a${i}`, i * 61_000)
    brake = stormBrake(brake, hosts, gone * 61_000)
    assert.is(brake, null)
  }
})

controllers.run()

// What a fleet tells or gives its ships while they run: deadlines of their sessions, overflow, labels.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { afterDeadline } from '../../functions/services/changes/deadline.ts'
import { endsAt } from '../../shared/model/endsAt.ts'
import type { Fleet } from '../../shared/model/fleet.ts'
import type { Ship } from '../../shared/model/ship.ts'
import { isServing, KeptFleets, patienceMs, readyOf } from '../harness/keptFleets.ts'
import { publish } from '../harness/twoServers.ts'
import { until } from '../harness/until.ts'

const test = suite('changes as they run')
let fleets: KeptFleets

test.before(async () => {
  fleets = await KeptFleets.start()
})
test.after(() => fleets?.stop())

test('a deadline: sessions on old ships are told when they end, and end then and not before', async () => {
  const strategy = { type: 'rolling', maxUnavailable: 1, deadlineMs: 3_000 }
  const crew = await fleets.sail('league', 3, { strategy })
  const { ship } = await crew.allocate()
  await fleets.patch('league', { revision: 2 })
  const told = () => crew.ships().find(({ id }) => id === ship) as Ship
  await until(() => told().annotations?.[endsAt] !== undefined, patienceMs)
  const at = Date.parse(told().annotations?.[endsAt] ?? '')
  assert.equal(told().state, 'Allocated')
  await until(() => told().state !== 'Allocated', patienceMs)
  assert.ok(Date.now() >= at, 'it ended before its time')
  assert.match(told().reason ?? '', /its time ended|it was stopped/)
  await fleets.reaches('league', 'done')
  assert.deepEqual(new Set(readyOf(crew).map(({ blueprint }) => blueprint.revision)), new Set([2]))
})

test('sessions that are not ended after all are told so: their revision is current again, there is no deadline, theirs was over before', async () => {
  const strategy = { type: 'rolling', maxUnavailable: 1, deadlineMs: 600_000, minReadyMs: 0 }
  const crew = await fleets.sail('cup', 3, { strategy })
  const { id, ship } = await crew.allocate()
  const told = () => crew.ships().find((one) => one.id === ship)?.annotations?.[endsAt] !== undefined
  await fleets.patch('cup', { revision: 2 })
  await until(told, patienceMs)
  await fleets.patch('cup', { strategy: { ...strategy, deadlineMs: undefined } })
  await until(() => !told(), patienceMs)
  await fleets.patch('cup', { strategy })
  await until(told, patienceMs)
  await fleets.rollback('cup')
  await fleets.reaches('cup', 'rolled-back')
  assert.equal(told(), false)
  await fleets.patch('cup', { revision: 2 })
  await until(told, patienceMs)
  const fleet = fleets.servers.direct[0].stores.fleets.table.get('cup')?.value as Fleet
  await crew.giveBack(id)
  const free = crew.ships().find((one) => one.id === ship) as Ship
  assert.equal(free.annotations?.[endsAt], undefined)
  // Should somebody have it before it ends, he has all the time that there is.
  const nowMs = Date.now() + 599_000
  const anew = afterDeadline({ ...free, state: 'Allocated' }, fleet, nowMs)
  assert.equal(anew?.annotations?.[endsAt], new Date(nowMs + 600_000).toISOString())
})

test('overflow: sessions beyond the replicas, and those on old ships, are marked for as long as that is so', async () => {
  const overflow = { labels: { open: 'no' } }
  const strategy = { type: 'rolling', maxUnavailable: 1, minReadyMs: 0 }
  const crew = await fleets.sail('surplus', 4, { overflow, strategy })
  const first = await crew.allocate()
  const others = [await crew.allocate(), await crew.allocate()]
  const marked = () => crew.ships().filter(({ labels }) => labels.open === 'no')
  await fleets.patch('surplus', { replicas: 2 })
  await until(() => marked().length === 1, patienceMs)
  assert.equal(marked()[0]?.id, first.ship, 'the oldest session')
  await fleets.patch('surplus', { replicas: 4 })
  await until(() => marked().length === 0, patienceMs)
  await fleets.patch('surplus', { revision: 2 })
  await until(() => marked().length === 3, patienceMs)
  await crew.giveBack(first.id)
  const freed = crew.ships().find(({ id }) => id === first.ship) as Ship
  assert.deepEqual([freed.labels.open, freed.overflow], [undefined, undefined])
  await fleets.rollback('surplus')
  await until(() => marked().length === 0, patienceMs)
  await fleets.patch('surplus', { replicas: 0 })
  await until(() => marked().length === 2, patienceMs)
  assert.equal((await fleets.patch('surplus', { overflow: {} })).overflow?.labels.open, undefined)
  await until(() => marked().length === 0, patienceMs)
  assert.ok(
    others.every(({ ship }) => crew.ships().some(({ id, state }) => id === ship && state === 'Allocated')),
  )
})

test('labels, and a revision that differs in nothing else, come to ships as they run', async () => {
  const spec = { env: { VERSION: '1' } }
  await publish(fleets.servers.a, 'soft', { ...spec, labels: { map: 'hills', old: 'yes' } })
  await publish(fleets.servers.a, 'soft', { ...spec, labels: { map: 'caves', new: 'yes' } })
  const crew = await fleets.sail('soft', 4, { blueprint: 'soft', labels: { team: 'one' } })
  const before = readyOf(crew).map(({ id }) => id)
  const { id } = await crew.allocate()
  await fleets.patch('soft', { labels: { team: 'two', region: 'eu' } })
  const all = (test: (ship: Ship) => boolean) => crew.ships().filter(isServing).every(test)
  await until(() => all(({ labels }) => labels.team === 'two' && labels.region === 'eu'), patienceMs)
  await fleets.patch('soft', { revision: 2, labels: { region: null } })
  await fleets.reaches('soft', 'done')
  const expected = { map: 'caves', new: 'yes', team: 'two' }
  for (const { blueprint, labels } of crew.ships())
    assert.deepEqual([blueprint.revision, labels], [2, expected])
  await crew.giveBack(id)
  assert.deepEqual(
    readyOf(crew)
      .map((ship) => ship.id)
      .sort(),
    before.sort(),
  )
})

test.run()

// Rollouts on real stores: the controller of fleets, two ApiServers, and hosts that claim, start and stop.
import assert from 'node:assert/strict'
import { setMaxListeners } from 'node:events'
import { suite } from 'uvu'
import { keepFleets } from '../../functions/runners/controllers/fleets.ts'
import { afterDeadline } from '../../functions/services/changes/deadline.ts'
import { answerOf } from '../../shared/api/client.ts'
import { createLog } from '../../shared/log.ts'
import { Bell, sleep } from '../../shared/loop.ts'
import { endsAt } from '../../shared/model/endsAt.ts'
import type { Fleet } from '../../shared/model/fleet.ts'
import type { Ship } from '../../shared/model/ship.ts'
import { isInUse } from '../../shared/model/shipState.ts'
import { FleetCrew } from '../harness/fleetCrew.ts'
import { publish, refused, startTwoServers, type TwoServers } from '../harness/twoServers.ts'
import { until } from '../harness/until.ts'

const test = suite('rollouts')
const patienceMs = 90_000
const stop = new AbortController()
// Every host of every fleet waits on it.
setMaxListeners(0, stop.signal)
const running: Promise<unknown>[] = []
let servers: TwoServers

const log = createLog('controllers', process.env.ARMADA_LOG ?? 'silent')

test.before(async () => {
  servers = await startTwoServers()
  const { a } = servers
  await publish(a, 'arena', { env: { VERSION: '1' } })
  await publish(a, 'arena', { env: { VERSION: '2' } })
  await publish(a, 'arena', { env: { VERSION: '3' } })
  const epoch = await a.lead('controllers')
  running.push(keepFleets({ client: a.runner, epoch, log, signal: stop.signal }, new Bell()))
})

test.after(async () => {
  stop.abort()
  await Promise.all(running)
  await servers?.stop()
})

const fleets = () => servers.a.admin.v1.fleets
const fleetNamed = (fleet: string) => answerOf(fleets()[':fleet'].$get({ param: { fleet } }))
const patch = (fleet: string, json: object) =>
  answerOf(fleets()[':fleet'].$patch({ param: { fleet }, json: json as never, header: {} }))
const rollback = (fleet: string, json: { revision?: number } = {}) =>
  answerOf(fleets()[':fleet'].rollback.$post({ param: { fleet }, json, header: {} }))

async function sail(name: string, replicas: number, more: object = {}): Promise<FleetCrew> {
  const crew = await FleetCrew.join(servers.direct[0], name, 3)
  running.push(crew.run(stop.signal))
  const json = { name, blueprint: 'arena', revision: 1, replicas, ...more }
  await answerOf(fleets().$post({ json: json as never }))
  await until(() => readyOf(crew).length === replicas, patienceMs)
  return crew
}

const readyOf = (crew: FleetCrew) => crew.ships().filter(({ state }) => state === 'Ready')
const isServing = ({ state }: Ship) => state === 'Ready' || isInUse(state)
const reaches = (fleet: string, state: string) =>
  until(async () => (await fleetNamed(fleet)).rollout?.state === state, patienceMs)

/** The fewest ships that were Ready or in use at any moment from now on. */
function fewestServing(fleet: string) {
  const { table, index } = servers.direct[0].stores.ships
  const seen = { fewest: Number.POSITIVE_INFINITY, most: 0, endedInUse: [] as string[] }
  table.onChange((id, after, before) => {
    if ((after ?? before)?.value.fleet !== fleet) return
    const ships = index.ofFleet(fleet).map(({ value }) => value)
    seen.fewest = Math.min(seen.fewest, ships.filter(isServing).length)
    seen.most = Math.max(
      seen.most,
      ships.filter(({ state }) => !['Stopping', 'Stopped', 'Failed'].includes(state)).length,
    )
    if (before && isInUse(before.value.state) && after?.value.state === 'Stopping') seen.endedInUse.push(id)
  })
  return seen
}

test('50 ships, 30 % of them allocated all the time: enough are Ready, no session ends, and it ends by itself', async () => {
  const strategy = { type: 'rolling', maxSurge: 5, maxUnavailable: 5, minReadyMs: 0 }
  const crew = await sail('match', 50, { strategy })
  const sessions: { id: string; ship: string }[] = []
  const begin = async (): Promise<void> => {
    sessions.push(await crew.allocate())
  }
  while (sessions.length < 15) await begin()
  const long = sessions.splice(0, 4).map(({ ship }) => ship)
  let playing = true
  let played = 0
  const players = (async () => {
    while (playing) {
      await begin()
      // One after another ends, and its ship is there for the next.
      const [over] = sessions.splice(Math.floor(Math.random() * 11), 1)
      if (over) await crew.giveBack(over.id)
      played++
      await sleep(5)
    }
  })()
  const seen = fewestServing('match')
  await patch('match', { revision: 2 })
  const outdated = () =>
    crew.ships().filter(({ state, blueprint }) => isServing({ state } as Ship) && blueprint.revision === 1)
  try {
    await until(() => outdated().every(({ id }) => long.includes(id)), patienceMs)
    assert.equal(outdated().length, 4)
    assert.equal((await fleetNamed('match')).rollout?.state, 'rolling')
    await until(
      async () =>
        /waits for 4 ships of older revisions that are in use/.test(
          (await fleetNamed('match')).message ?? '',
        ),
      patienceMs,
    )
    assert.ok(seen.fewest >= 45, `${seen.fewest} served at one time`)
    assert.ok(seen.most <= 55, `${seen.most} at one time`)
    for (const { id, state } of outdated()) {
      assert.equal(state, 'Allocated')
      await crew.endSession(crew.ships().find((ship) => ship.id === id) as Ship)
    }
    await reaches('match', 'done')
  } finally {
    playing = false
    await players
  }
  assert.deepEqual(seen.endedInUse, [])
  assert.ok(played > 20, `${played} sessions`)
  const live = crew.ships().filter(isServing)
  assert.deepEqual([live.length, new Set(live.map((ship) => ship.blueprint.revision))], [50, new Set([2])])
  const { events } = await answerOf(fleets()[':fleet'].events.$get({ param: { fleet: 'match' } }))
  assert.deepEqual(
    events.map(({ type }) => type),
    ['fleet.created', 'fleet.revised', 'fleet.rolled-out'],
  )
})

test('a rollout that is paused stays as far as it is, the fleet at its number, until it is resumed', async () => {
  const strategy = { type: 'rolling', maxSurge: 0, maxUnavailable: 1, minReadyMs: 0, deadlineMs: 600_000 }
  const crew = await sail('hold', 8, { strategy })
  const used = await crew.allocate()
  const pause = () => answerOf(fleets()[':fleet'].pause.$post({ param: { fleet: 'hold' }, header: {} }))
  const resume = () => answerOf(fleets()[':fleet'].resume.$post({ param: { fleet: 'hold' }, header: {} }))
  await refused(pause(), 'conflict', /no rollout under way: it had none/)
  await patch('hold', { revision: 2 })
  const { rollout, message } = await pause()
  assert.ok(rollout?.paused)
  assert.match(message ?? '', /The rollout is paused since \S+, by /)
  assert.equal((await pause()).rollout?.paused?.since, rollout.paused.since)
  const live = () => crew.ships().filter(({ state }) => !['Stopping', 'Stopped', 'Failed'].includes(state))
  const settled = (count: number) =>
    until(() => live().length === count && live().every((ship) => isServing(ship)), patienceMs)
  const revisions = () =>
    live()
      .map(({ id, blueprint }) => `${id} ${blueprint.revision}`)
      .sort()
  await settled(8)
  const before = revisions()
  await sleep(3_000)
  assert.deepEqual(revisions(), before)
  const held = crew.ships().find(({ id }) => id === used.ship) as Ship
  assert.deepEqual([held.state, held.annotations?.[endsAt]], ['Allocated', undefined])
  const fleet = servers.direct[0].stores.fleets.table.get('hold')?.value as Fleet
  const { paused: _, ...going } = fleet.rollout as NonNullable<Fleet['rollout']>
  const muchLaterMs = Date.now() + 86_400_000
  assert.ok(afterDeadline(held, { ...fleet, rollout: going }, muchLaterMs))
  assert.equal(afterDeadline(held, fleet, muchLaterMs), undefined)

  // Whatever is missing is made of what is known to do well.
  const victim = readyOf(crew)[0]?.id as string
  await answerOf(servers.a.admin.v1.ships[':ship'].$delete({ param: { ship: victim }, header: {} }))
  await patch('hold', { replicas: 10 })
  await until(() => !live().some(({ id }) => id === victim), patienceMs)
  await settled(10)
  const added = live().filter(({ id }) => !before.some((one) => one.startsWith(id)))
  assert.deepEqual(
    added.map(({ blueprint }) => blueprint.revision),
    [1, 1, 1],
  )
  await patch('hold', { replicas: 5 })
  await settled(5)
  // Who was told before the pause is told anew: nobody's session ends because time went on meanwhile.
  const told = afterDeadline(held, { ...fleet, rollout: going }, Date.now()) as Ship
  assert.equal(afterDeadline(told, { ...fleet, rollout: going }, muchLaterMs)?.state, 'Stopping')
  const resumed = await resume()
  assert.equal(resumed.rollout?.paused, undefined)
  const goesOn = servers.direct[0].stores.fleets.table.get('hold')?.value as Fleet
  assert.equal(afterDeadline(told, goesOn, muchLaterMs)?.state, 'Allocated')
  await crew.giveBack(used.id)
  await reaches('hold', 'done')
  await refused(resume(), 'conflict', /the last one is done/)
  await settled(5)
  assert.ok(live().every(({ blueprint }) => blueprint.revision === 2))
  const { events } = await answerOf(fleets()[':fleet'].events.$get({ param: { fleet: 'hold' } }))
  const types = events.map(({ type }) => type).filter((type) => /paused|resumed|rolled/.test(type))
  assert.deepEqual(types, ['fleet.paused', 'fleet.resumed', 'fleet.rolled-out'])
})

test('canaries that are paused take no turn and are not promoted; the way back is not paused', async () => {
  const strategy = {
    type: 'canary',
    percent: 50,
    pauseMs: null,
    minReadyMs: 0,
    maxSurge: 1,
    maxUnavailable: 0,
  }
  const crew = await sail('perch', 2, { strategy })
  await patch('perch', { revision: 2 })
  await answerOf(fleets()[':fleet'].pause.$post({ param: { fleet: 'perch' }, header: {} }))
  const { rollout } = await fleetNamed('perch')
  const promote = fleets()[':fleet'].promote.$post({ param: { fleet: 'perch' }, header: {} })
  await refused(answerOf(promote), 'conflict', /paused/)
  await sleep(2_000)
  assert.equal((await fleetNamed('perch')).rollout?.state, rollout?.state)
  assert.equal((await rollback('perch')).rollout?.paused, undefined)
  await reaches('perch', 'rolled-back')
  await until(() => readyOf(crew).length === 2, patienceMs)
  assert.ok(readyOf(crew).every(({ blueprint }) => blueprint.revision === 1))
})

test('recreate: the old ones end first, but for those in use; back to any revision', async () => {
  const crew = await sail('arcade', 6, { strategy: { type: 'recreate' } })
  const used = await crew.allocate()
  let mixed = false
  servers.direct[0].stores.ships.table.onChange(() => {
    const revisions = readyOf(crew).map((ship) => ship.blueprint.revision)
    mixed ||= new Set(revisions).size > 1
  })
  await patch('arcade', { revision: 3 })
  await until(
    () => readyOf(crew).filter(({ blueprint }) => blueprint.revision === 3).length === 5,
    patienceMs,
  )
  assert.equal(mixed, false, 'old and new ones were Ready at the same time')
  await crew.giveBack(used.id)
  await reaches('arcade', 'done')
  await rollback('arcade')
  await reaches('arcade', 'rolled-back')
  assert.deepEqual([...new Set(readyOf(crew).map((ship) => ship.blueprint.revision))], [1])
  await rollback('arcade', { revision: 2 })
  await reaches('arcade', 'rolled-back')
  assert.deepEqual([...new Set(readyOf(crew).map((ship) => ship.blueprint.revision))], [2])
  await refused(rollback('arcade', { revision: 2 }), 'conflict', /has revision 2 already/)
  await refused(rollback('arcade', { revision: 9 }), 'not_found')
})

test('a revision that crashes is rolled back, with the reason, while the old ships serve', async () => {
  const crew = await sail('duel', 12)
  crew.broken.add(2)
  const seen = fewestServing('duel')
  await patch('duel', { revision: 2 })
  await reaches('duel', 'rolled-back')
  const { rollout, blueprint } = await fleetNamed('duel')
  assert.equal(blueprint.revision, 1)
  assert.match(
    rollout?.reason ?? '',
    /failures of revision 2, and 3 are allowed\. The last: duel-.*it ended with code 1/,
  )
  assert.ok(seen.fewest >= 9, `${seen.fewest} of 12 served at one time`)
  assert.equal(readyOf(crew).length, 12)
})

test('a revision that keeps crashing and is not rolled back is told as a crash loop, once', async () => {
  const strategy = { type: 'rolling', maxSurge: 1, maxUnavailable: 0, maxFailures: null }
  const crew = await sail('stumble', 2, { strategy })
  crew.broken.add(2)
  await patch('stumble', { revision: 2 })
  await until(async () => (await fleetNamed('stumble')).crashLoop !== undefined, patienceMs)
  const { crashLoop, message, failures } = await fleetNamed('stumble')
  assert.match(crashLoop ?? '', /^Ships of revision 2 keep failing/)
  assert.equal(message, crashLoop)
  await until(async () => (await fleetNamed('stumble')).failures > failures, patienceMs)
  const { events } = await answerOf(fleets()[':fleet'].events.$get({ param: { fleet: 'stumble' } }))
  const told = events.filter(({ type }) => type === 'fleet.crash-loop')
  assert.deepEqual(
    told.map(({ reason }) => reason),
    [crashLoop],
  )
  assert.equal(readyOf(crew).filter(({ blueprint }) => blueprint.revision === 1).length, 2)
  await rollback('stumble')
  await reaches('stumble', 'rolled-back')
  assert.equal((await fleetNamed('stumble')).crashLoop, undefined)
})

test('canary: as many as asked for, a pause, then all; or nobody when they crash; or all by a word', async () => {
  const strategy = { type: 'canary', percent: 20, pauseMs: 1_500, maxFailures: 0 }
  const crew = await sail('canary', 10, { strategy })
  const ofRevision = (revision: number) =>
    readyOf(crew).filter((ship) => ship.blueprint.revision === revision)
  let most = 0
  let stage = ''
  servers.direct[0].stores.ships.table.onChange(() => {
    if (stage === 'canary') most = Math.max(most, ofRevision(2).length)
  })
  stage = 'canary'
  await patch('canary', { revision: 2 })
  await reaches('canary', 'watching')
  assert.deepEqual([most, ofRevision(2).length], [2, 2])
  await until(() => readyOf(crew).length === 10, patienceMs)
  assert.equal(ofRevision(1).length, 8)
  stage = ''
  await reaches('canary', 'done')
  assert.equal(ofRevision(2).length, 10)

  crew.broken.add(3)
  await patch('canary', { revision: 3 })
  await reaches('canary', 'rolled-back')
  assert.equal(ofRevision(2).length, 10)

  await patch('canary', { strategy: { ...strategy, pauseMs: null } })
  await patch('canary', { revision: 1 })
  await reaches('canary', 'watching')
  const promote = () => answerOf(fleets()[':fleet'].promote.$post({ param: { fleet: 'canary' }, header: {} }))
  await promote()
  await reaches('canary', 'done')
  assert.equal(ofRevision(1).length, 10)
  await refused(promote(), 'conflict', /no canaries/)
})

test('a fleet that follows its blueprint goes to every new revision by itself, until it is rolled back', async () => {
  await publish(servers.a, 'hall', { env: { VERSION: '1' } })
  const crew = await sail('hall', 2, { blueprint: 'hall', revision: 'latest' })
  await publish(servers.a, 'hall', { env: { VERSION: '2' } })
  await reaches('hall', 'done')
  assert.deepEqual(
    readyOf(crew).map((ship) => ship.blueprint.revision),
    [2, 2],
  )
  await rollback('hall')
  await reaches('hall', 'rolled-back')
  await sleep(2_500)
  assert.equal((await fleetNamed('hall')).blueprint.revision, 1, 'it went where it came from')
  await publish(servers.a, 'hall', { env: { VERSION: '3' } })
  await until(async () => (await fleetNamed('hall')).blueprint.revision === 3, patienceMs)
  await reaches('hall', 'done')
  // Twice back: also then the last one is what it came from.
  await rollback('hall', { revision: 2 })
  await reaches('hall', 'rolled-back')
  await rollback('hall', { revision: 1 })
  await reaches('hall', 'rolled-back')
  await sleep(2_500)
  assert.equal((await fleetNamed('hall')).blueprint.revision, 1, 'it went where it came from before')
})

test('a deadline: sessions on old ships are told when they end, and end then and not before', async () => {
  const strategy = { type: 'rolling', maxUnavailable: 1, deadlineMs: 3_000 }
  const crew = await sail('league', 3, { strategy })
  const { ship } = await crew.allocate()
  await patch('league', { revision: 2 })
  const told = () => crew.ships().find(({ id }) => id === ship) as Ship
  await until(() => told().annotations?.[endsAt] !== undefined, patienceMs)
  const at = Date.parse(told().annotations?.[endsAt] ?? '')
  assert.equal(told().state, 'Allocated')
  await until(() => told().state !== 'Allocated', patienceMs)
  assert.ok(Date.now() >= at, 'it ended before its time')
  assert.match(told().reason ?? '', /its time ended|it was stopped/)
  await reaches('league', 'done')
  assert.deepEqual(new Set(readyOf(crew).map(({ blueprint }) => blueprint.revision)), new Set([2]))
})

test('sessions that are not ended after all are told so: their revision is current again, there is no deadline, theirs was over before', async () => {
  const strategy = { type: 'rolling', maxUnavailable: 1, deadlineMs: 600_000, minReadyMs: 0 }
  const crew = await sail('cup', 3, { strategy })
  const { id, ship } = await crew.allocate()
  const told = () => crew.ships().find((one) => one.id === ship)?.annotations?.[endsAt] !== undefined
  await patch('cup', { revision: 2 })
  await until(told, patienceMs)
  await patch('cup', { strategy: { ...strategy, deadlineMs: undefined } })
  await until(() => !told(), patienceMs)
  await patch('cup', { strategy })
  await until(told, patienceMs)
  await rollback('cup')
  await reaches('cup', 'rolled-back')
  assert.equal(told(), false)
  await patch('cup', { revision: 2 })
  await until(told, patienceMs)
  const fleet = servers.direct[0].stores.fleets.table.get('cup')?.value as Fleet
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
  const crew = await sail('surplus', 4, { overflow, strategy })
  const first = await crew.allocate()
  const others = [await crew.allocate(), await crew.allocate()]
  const marked = () => crew.ships().filter(({ labels }) => labels.open === 'no')
  await patch('surplus', { replicas: 2 })
  await until(() => marked().length === 1, patienceMs)
  assert.equal(marked()[0]?.id, first.ship, 'the oldest session')
  await patch('surplus', { replicas: 4 })
  await until(() => marked().length === 0, patienceMs)
  await patch('surplus', { revision: 2 })
  await until(() => marked().length === 3, patienceMs)
  await crew.giveBack(first.id)
  const freed = crew.ships().find(({ id }) => id === first.ship) as Ship
  assert.deepEqual([freed.labels.open, freed.overflow], [undefined, undefined])
  await rollback('surplus')
  await until(() => marked().length === 0, patienceMs)
  await patch('surplus', { replicas: 0 })
  await until(() => marked().length === 2, patienceMs)
  assert.equal((await patch('surplus', { overflow: {} })).overflow?.labels.open, undefined)
  await until(() => marked().length === 0, patienceMs)
  assert.ok(
    others.every(({ ship }) => crew.ships().some(({ id, state }) => id === ship && state === 'Allocated')),
  )
})

test('labels, and a revision that differs in nothing else, come to ships as they run', async () => {
  const spec = { env: { VERSION: '1' } }
  await publish(servers.a, 'soft', { ...spec, labels: { map: 'hills', old: 'yes' } })
  await publish(servers.a, 'soft', { ...spec, labels: { map: 'caves', new: 'yes' } })
  const crew = await sail('soft', 4, { blueprint: 'soft', labels: { team: 'one' } })
  const before = readyOf(crew).map(({ id }) => id)
  const { id } = await crew.allocate()
  await patch('soft', { labels: { team: 'two', region: 'eu' } })
  const all = (test: (ship: Ship) => boolean) => crew.ships().filter(isServing).every(test)
  await until(() => all(({ labels }) => labels.team === 'two' && labels.region === 'eu'), patienceMs)
  await patch('soft', { revision: 2, labels: { region: null } })
  await reaches('soft', 'done')
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

test('what is asked for wrongly is refused', async () => {
  await refused(
    patch('hall', { strategy: { type: 'rolling', maxSurge: 0, maxUnavailable: '0%' } }),
    'invalid_request',
    /both/,
  )
  await refused(patch('hall', { strategy: { type: 'canary', percent: 70 } }), 'invalid_request')
  await refused(patch('hall', { revision: 77 }), 'not_found', /no revision 77/)
})

test.run()

// Rollouts: rolling, canary, recreate, and the way back.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { afterDeadline } from '../../functions/services/changes/deadline.ts'
import { answerOf } from '../../shared/api/client.ts'
import { sleep } from '../../shared/loop.ts'
import { endsAt } from '../../shared/model/endsAt.ts'
import type { Fleet } from '../../shared/model/fleet.ts'
import type { Ship } from '../../shared/model/ship.ts'
import { isInUse } from '../../shared/model/shipState.ts'
import { isServing, KeptFleets, patienceMs, readyOf } from '../harness/keptFleets.ts'
import { publish, refused } from '../harness/twoServers.ts'
import { until } from '../harness/until.ts'

const test = suite('rollouts')
let fleets: KeptFleets

test.before(async () => {
  fleets = await KeptFleets.start()
})
test.after(() => fleets?.stop())

/** The fewest ships that were Ready or in use at any moment from now on. */
function fewestServing(fleet: string) {
  const { table, index } = fleets.servers.direct[0].stores.ships
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
  const crew = await fleets.sail('match', 50, { strategy })
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
  await fleets.patch('match', { revision: 2 })
  const outdated = () =>
    crew.ships().filter(({ state, blueprint }) => isServing({ state } as Ship) && blueprint.revision === 1)
  try {
    await until(() => outdated().every(({ id }) => long.includes(id)), patienceMs)
    assert.equal(outdated().length, 4)
    assert.equal((await fleets.get('match')).rollout?.state, 'rolling')
    await until(
      async () =>
        /waits for 4 ships of older revisions that are in use/.test(
          (await fleets.get('match')).message ?? '',
        ),
      patienceMs,
    )
    assert.ok(seen.fewest >= 45, `${seen.fewest} served at one time`)
    assert.ok(seen.most <= 55, `${seen.most} at one time`)
    for (const { id, state } of outdated()) {
      assert.equal(state, 'Allocated')
      await crew.endSession(crew.ships().find((ship) => ship.id === id) as Ship)
    }
    await fleets.reaches('match', 'done')
  } finally {
    playing = false
    await players
  }
  assert.deepEqual(seen.endedInUse, [])
  assert.ok(played > 20, `${played} sessions`)
  const live = crew.ships().filter(isServing)
  assert.deepEqual([live.length, new Set(live.map((ship) => ship.blueprint.revision))], [50, new Set([2])])
  const { events } = await answerOf(fleets.api[':fleet'].events.$get({ param: { fleet: 'match' } }))
  assert.deepEqual(
    events.map(({ type }) => type),
    ['fleet.created', 'fleet.revised', 'fleet.rolled-out'],
  )
})

test('a rollout that is paused stays as far as it is, the fleet at its number, until it is resumed', async () => {
  const strategy = { type: 'rolling', maxSurge: 0, maxUnavailable: 1, minReadyMs: 0, deadlineMs: 600_000 }
  const crew = await fleets.sail('hold', 8, { strategy })
  const used = await crew.allocate()
  const pause = () => answerOf(fleets.api[':fleet'].pause.$post({ param: { fleet: 'hold' }, header: {} }))
  const resume = () => answerOf(fleets.api[':fleet'].resume.$post({ param: { fleet: 'hold' }, header: {} }))
  await refused(pause(), 'conflict', /no rollout under way: it had none/)
  await fleets.patch('hold', { revision: 2 })
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
  const fleet = fleets.servers.direct[0].stores.fleets.table.get('hold')?.value as Fleet
  const { paused: _, ...going } = fleet.rollout as NonNullable<Fleet['rollout']>
  const muchLaterMs = Date.now() + 86_400_000
  assert.ok(afterDeadline(held, { ...fleet, rollout: going }, muchLaterMs))
  assert.equal(afterDeadline(held, fleet, muchLaterMs), undefined)

  // Whatever is missing is made of what is known to do well.
  const victim = readyOf(crew)[0]?.id as string
  await answerOf(fleets.servers.a.admin.v1.ships[':ship'].$delete({ param: { ship: victim }, header: {} }))
  await fleets.patch('hold', { replicas: 10 })
  await until(() => !live().some(({ id }) => id === victim), patienceMs)
  await settled(10)
  const added = live().filter(({ id }) => !before.some((one) => one.startsWith(id)))
  assert.deepEqual(
    added.map(({ blueprint }) => blueprint.revision),
    [1, 1, 1],
  )
  await fleets.patch('hold', { replicas: 5 })
  await settled(5)
  // Who was told before the pause is told anew: nobody's session ends because time went on meanwhile.
  const told = afterDeadline(held, { ...fleet, rollout: going }, Date.now()) as Ship
  assert.equal(afterDeadline(told, { ...fleet, rollout: going }, muchLaterMs)?.state, 'Stopping')
  const resumed = await resume()
  assert.equal(resumed.rollout?.paused, undefined)
  const goesOn = fleets.servers.direct[0].stores.fleets.table.get('hold')?.value as Fleet
  assert.equal(afterDeadline(told, goesOn, muchLaterMs)?.state, 'Allocated')
  await crew.giveBack(used.id)
  await fleets.reaches('hold', 'done')
  await refused(resume(), 'conflict', /the last one is done/)
  await settled(5)
  assert.ok(live().every(({ blueprint }) => blueprint.revision === 2))
  const { events } = await answerOf(fleets.api[':fleet'].events.$get({ param: { fleet: 'hold' } }))
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
  const crew = await fleets.sail('perch', 2, { strategy })
  await fleets.patch('perch', { revision: 2 })
  await answerOf(fleets.api[':fleet'].pause.$post({ param: { fleet: 'perch' }, header: {} }))
  const { rollout } = await fleets.get('perch')
  const promote = fleets.api[':fleet'].promote.$post({ param: { fleet: 'perch' }, header: {} })
  await refused(answerOf(promote), 'conflict', /paused/)
  await sleep(2_000)
  assert.equal((await fleets.get('perch')).rollout?.state, rollout?.state)
  assert.equal((await fleets.rollback('perch')).rollout?.paused, undefined)
  await fleets.reaches('perch', 'rolled-back')
  await until(() => readyOf(crew).length === 2, patienceMs)
  assert.ok(readyOf(crew).every(({ blueprint }) => blueprint.revision === 1))
})

test('recreate: the old ones end first, but for those in use; back to any revision', async () => {
  const crew = await fleets.sail('arcade', 6, { strategy: { type: 'recreate' } })
  const used = await crew.allocate()
  let mixed = false
  fleets.servers.direct[0].stores.ships.table.onChange(() => {
    const revisions = readyOf(crew).map((ship) => ship.blueprint.revision)
    mixed ||= new Set(revisions).size > 1
  })
  await fleets.patch('arcade', { revision: 3 })
  await until(
    () => readyOf(crew).filter(({ blueprint }) => blueprint.revision === 3).length === 5,
    patienceMs,
  )
  assert.equal(mixed, false, 'old and new ones were Ready at the same time')
  await crew.giveBack(used.id)
  await fleets.reaches('arcade', 'done')
  await fleets.rollback('arcade')
  await fleets.reaches('arcade', 'rolled-back')
  assert.deepEqual([...new Set(readyOf(crew).map((ship) => ship.blueprint.revision))], [1])
  await fleets.rollback('arcade', { revision: 2 })
  await fleets.reaches('arcade', 'rolled-back')
  assert.deepEqual([...new Set(readyOf(crew).map((ship) => ship.blueprint.revision))], [2])
  await refused(fleets.rollback('arcade', { revision: 2 }), 'conflict', /has revision 2 already/)
  await refused(fleets.rollback('arcade', { revision: 9 }), 'not_found')
})

test('a revision that crashes is rolled back, with the reason, while the old ships serve', async () => {
  const crew = await fleets.sail('duel', 12)
  crew.broken.add(2)
  const seen = fewestServing('duel')
  await fleets.patch('duel', { revision: 2 })
  await fleets.reaches('duel', 'rolled-back')
  const { rollout, blueprint } = await fleets.get('duel')
  assert.equal(blueprint.revision, 1)
  assert.match(
    rollout?.reason ?? '',
    /failures of revision 2, and 3 are allowed\. The last: duel-.*it ended with code 1/,
  )
  assert.ok(seen.fewest >= 9, `${seen.fewest} of 12 served at one time`)
  assert.equal(readyOf(crew).length, 12)
  await refused(fleets.rollback('duel'), 'conflict', /was rolled back from revision 2 to 1\. Name the one/)
})

test('a revision that keeps crashing and is not rolled back is told as a crash loop, once', async () => {
  const strategy = { type: 'rolling', maxSurge: 1, maxUnavailable: 0, maxFailures: null }
  const crew = await fleets.sail('stumble', 2, { strategy })
  crew.broken.add(2)
  await fleets.patch('stumble', { revision: 2 })
  await until(async () => (await fleets.get('stumble')).crashLoop !== undefined, patienceMs)
  const { crashLoop, message, failures } = await fleets.get('stumble')
  assert.match(crashLoop ?? '', /^Ships of revision 2 keep failing/)
  assert.equal(message, crashLoop)
  await until(async () => (await fleets.get('stumble')).failures > failures, patienceMs)
  const { events } = await answerOf(fleets.api[':fleet'].events.$get({ param: { fleet: 'stumble' } }))
  const told = events.filter(({ type }) => type === 'fleet.crash-loop')
  assert.deepEqual(
    told.map(({ reason }) => reason),
    [crashLoop],
  )
  assert.equal(readyOf(crew).filter(({ blueprint }) => blueprint.revision === 1).length, 2)
  await fleets.rollback('stumble')
  await fleets.reaches('stumble', 'rolled-back')
  assert.equal((await fleets.get('stumble')).crashLoop, undefined)
})

test('canary: as many as asked for, a pause, then all; or nobody when they crash; or all by a word', async () => {
  const strategy = { type: 'canary', percent: 20, pauseMs: 1_500, maxFailures: 0 }
  const crew = await fleets.sail('canary', 10, { strategy })
  const ofRevision = (revision: number) =>
    readyOf(crew).filter((ship) => ship.blueprint.revision === revision)
  let most = 0
  let stage = ''
  fleets.servers.direct[0].stores.ships.table.onChange(() => {
    if (stage === 'canary') most = Math.max(most, ofRevision(2).length)
  })
  stage = 'canary'
  await fleets.patch('canary', { revision: 2 })
  await fleets.reaches('canary', 'watching')
  assert.deepEqual([most, ofRevision(2).length], [2, 2])
  await until(() => readyOf(crew).length === 10, patienceMs)
  assert.equal(ofRevision(1).length, 8)
  stage = ''
  await fleets.reaches('canary', 'done')
  assert.equal(ofRevision(2).length, 10)

  crew.broken.add(3)
  await fleets.patch('canary', { revision: 3 })
  await fleets.reaches('canary', 'rolled-back')
  assert.equal(ofRevision(2).length, 10)

  await fleets.patch('canary', { strategy: { ...strategy, pauseMs: null } })
  await fleets.patch('canary', { revision: 1 })
  await fleets.reaches('canary', 'watching')
  const promote = () =>
    answerOf(fleets.api[':fleet'].promote.$post({ param: { fleet: 'canary' }, header: {} }))
  await promote()
  await fleets.reaches('canary', 'done')
  assert.equal(ofRevision(1).length, 10)
  await refused(promote(), 'conflict', /no canaries/)
})

test('a fleet that follows its blueprint goes to every new revision by itself, until it is rolled back', async () => {
  await publish(fleets.servers.a, 'hall', { env: { VERSION: '1' } })
  const crew = await fleets.sail('hall', 2, { blueprint: 'hall', revision: 'latest' })
  await publish(fleets.servers.a, 'hall', { env: { VERSION: '2' } })
  await fleets.reaches('hall', 'done')
  assert.deepEqual(
    readyOf(crew).map((ship) => ship.blueprint.revision),
    [2, 2],
  )
  await fleets.rollback('hall')
  await fleets.reaches('hall', 'rolled-back')
  await sleep(2_500)
  assert.equal((await fleets.get('hall')).blueprint.revision, 1, 'it went where it came from')
  await publish(fleets.servers.a, 'hall', { env: { VERSION: '3' } })
  await until(async () => (await fleets.get('hall')).blueprint.revision === 3, patienceMs)
  await fleets.reaches('hall', 'done')
  // Twice back: also then the last one is what it came from.
  await fleets.rollback('hall', { revision: 2 })
  await fleets.reaches('hall', 'rolled-back')
  await fleets.rollback('hall', { revision: 1 })
  await fleets.reaches('hall', 'rolled-back')
  await sleep(2_500)
  assert.equal((await fleets.get('hall')).blueprint.revision, 1, 'it went where it came from before')
})

test('what is asked for wrongly is refused', async () => {
  await refused(
    fleets.patch('hall', { strategy: { type: 'rolling', maxSurge: 0, maxUnavailable: '0%' } }),
    'invalid_request',
    /both/,
  )
  await refused(fleets.patch('hall', { strategy: { type: 'canary', percent: 70 } }), 'invalid_request')
  await refused(fleets.patch('hall', { revision: 77 }), 'not_found', /no revision 77/)
})

test.run()

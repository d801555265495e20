// The steps of a rollout and the order in which ships end, without any I/O: what they promise for any fleet.
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type Candidate,
  leastMissed,
} from '../../../../../functions/runners/controllers/fleets/leastMissed.ts'
import {
  pausedNeed,
  type RolloutNeed,
  type RolloutPicture,
  rolloutNeed,
} from '../../../../../functions/runners/controllers/fleets/rolloutPlan.ts'
import {
  type Crew,
  mayTurn,
  noCrew,
  type Share,
  Strategy,
  sizeOf,
} from '../../../../../shared/model/rollout.ts'

const test = suite('the plan of rollouts')
const startedAt = '2026-01-01T00:00:00.000Z'
const laterMs = Date.parse(startedAt) + 3_600_000

function picture(
  change: Partial<RolloutPicture['rollout']>,
  strategy: object,
  replicas = 10,
  naming: RolloutPicture['naming'] = 'random',
): RolloutPicture {
  const about = { from: 1, to: 2, since: startedAt, failures: 0, lastFailure: null, lastFailureAt: null }
  const crews = { updated: noCrew, outdated: noCrew }
  return {
    replicas,
    naming,
    strategy: Strategy.parse(strategy),
    rollout: { state: 'rolling', ...about, ...crews, ...change },
  }
}

const amount = fc.nat(30)
const anyCrew: fc.Arbitrary<Crew> = fc.record({
  ready: amount,
  inUse: amount,
  coming: fc.nat(5),
  unwell: fc.nat(3),
  lost: fc.constant(0),
  leaving: fc.nat(3),
})
const anyShare = fc.oneof(
  fc.nat(10),
  fc.nat(100).map((percent) => `${percent}%`),
)
const anyStrategy = fc
  .record({
    type: fc.constantFrom('rolling', 'recreate', 'canary'),
    maxSurge: anyShare,
    maxUnavailable: anyShare,
    percent: fc.integer({ min: 1, max: 50 }),
  })
  .map(({ type, percent, ...pace }) => ({
    type,
    ...(type !== 'recreate' && pace),
    ...(type === 'canary' && { percent, pauseMs: 1_000 }),
  }))
  .filter((strategy) => Strategy.safeParse(strategy).success)
const anyNaming = fc.constantFrom('random' as const, 'ordinal' as const)
const anyState = fc.constantFrom('rolling' as const, 'rolling-back' as const, 'canary' as const)

/** The promise, worked out anew: Ready ships that have to be left. */
function promised({ replicas, naming, strategy, rollout: { updated, outdated } }: RolloutPicture): number {
  if (strategy.type === 'recreate') return 0
  const idle = Math.max(0, replicas - updated.inUse - outdated.inUse)
  const part = (share: Share, of: number) =>
    typeof share === 'number' ? share : (of * Number(share.replace('%', ''))) / 100
  const lacking = Math.floor(part(strategy.maxUnavailable, idle))
  const atLeast = part(strategy.maxSurge, replicas) > 0 && naming !== 'ordinal' ? 0 : 1
  return Math.max(0, idle - Math.max(lacking, atLeast))
}

test('no step leaves fewer Ready ships than promised, or more ships than the surge allows', () => {
  fc.assert(
    fc.property(
      anyCrew,
      anyCrew,
      anyStrategy,
      anyState,
      fc.nat(40),
      anyNaming,
      (updated, outdated, how, state, replicas, naming) => {
        const seen = picture({ updated, outdated, state }, how, replicas, naming)
        const need = rolloutNeed(seen, laterMs)
        if (need.do === 'stop') {
          const crew = need.outdated ? outdated : updated
          const ready = updated.ready + outdated.ready
          if (!need.states.includes('Ready')) assert.ok(need.count <= crew.coming + crew.unwell)
          else
            assert.ok(need.count <= crew.ready && ready - need.count >= promised(seen), JSON.stringify(need))
          assert.not.ok(
            need.states.some((one) => one === 'Allocated' || one === 'Reserved' || one === 'Lost'),
          )
        }
        if (need.do === 'create') {
          const surge = seen.strategy.type === 'recreate' || naming === 'ordinal' ? 0 : seen.strategy.maxSurge
          const over =
            typeof surge === 'number' ? surge : Math.ceil((replicas * Number(surge.slice(0, -1))) / 100)
          assert.ok(sizeOf(updated) + sizeOf(outdated) + need.count <= replicas + over)
        }
        if (need.do === 'turn') assert.ok(mayTurn(state, need.to))
      },
    ),
    { numRuns: 2_000 },
  )
})

test('while it is paused there are ever the replicas, no turns, and what was beyond them then is left alone', () => {
  const anyState = fc.constantFrom('rolling' as const, 'rolling-back' as const, 'watching' as const)
  const anyCounts = fc.record({
    Ready: amount,
    Allocated: fc.nat(5),
    Starting: fc.nat(5),
    Stopping: fc.nat(3),
  })
  fc.assert(
    fc.property(
      anyCounts,
      anyStrategy,
      anyState,
      fc.nat(40),
      anyNaming,
      fc.record({ replicas: fc.nat(40), ships: fc.nat(10) }),
      (ships, how, state, replicas, naming, surplus) => {
        const about = { name: 'lobby', revision: '1', deleting: false, ships }
        const paused = { since: startedAt, by: 'admin', surplus }
        const need = pausedNeed({ ...picture({ state, paused }, how, replicas, naming), ...about })
        const live = ships.Ready + ships.Allocated + ships.Starting
        const most = replicas + (surplus.replicas === replicas ? surplus.ships : 0)
        assert.is(need.do === 'stop', live > most && ships.Ready + ships.Starting > 0)
        assert.is(need.do === 'create', live < replicas)
        if (need.do === 'create') assert.is('of' in need && need.of, state === 'rolling-back' ? 2 : 1)
        if (need.do === 'stop')
          assert.ok(live - need.count >= most && need.count <= ships.Ready + ships.Starting)
        assert.not.ok(need.do === 'turn')
      },
    ),
    { numRuns: 1_000 },
  )
})

/** What becomes of the fleet by a step; ships that were on their way, or leaving, are there or gone before the next. */
function after(seen: RolloutPicture, need: RolloutNeed): RolloutPicture {
  const updated = { ...seen.rollout.updated }
  const outdated = { ...seen.rollout.outdated }
  const crew = need.do === 'stop' && need.outdated ? outdated : updated
  if (need.do === 'stop' && need.states.includes('Ready')) crew.ready -= need.count
  else if (need.do === 'stop') {
    const coming = Math.min(crew.coming, need.count)
    crew.coming -= coming
    crew.unwell -= need.count - coming
  }
  if (need.do === 'create') (need.of === seen.rollout.to ? updated : outdated).coming += need.count
  const state = need.do === 'turn' ? need.to : seen.rollout.state
  if (need.do !== 'nothing') return { ...seen, rollout: { ...seen.rollout, state, updated, outdated } }
  const settled = (one: Crew): Crew => ({ ...one, ready: one.ready + one.coming, coming: 0, leaving: 0 })
  return { ...seen, rollout: { ...seen.rollout, updated: settled(updated), outdated: settled(outdated) } }
}

test('from anywhere the steps lead to the new revision, and wait only for sessions', () => {
  fc.assert(
    fc.property(
      anyCrew,
      anyCrew,
      anyStrategy,
      anyState,
      fc.nat(40),
      anyNaming,
      (updated, outdated, how, state, replicas, naming) => {
        const well = (crew: Crew): Crew => ({ ...crew, unwell: 0 })
        const crews = { updated: well(updated), outdated: well(outdated), state }
        let seen = picture(crews, how, replicas, naming)
        for (let steps = 0; steps < 400 && !['done', 'rolled-back'].includes(seen.rollout.state); steps++) {
          const need = rolloutNeed(seen, laterMs)
          const next = after(seen, need)
          const isStill = need.do === 'nothing' && JSON.stringify(next) === JSON.stringify(seen)
          const { inUse } = seen.rollout.outdated
          if (isStill) assert.ok(inUse > 0, `stuck: ${JSON.stringify(seen)}`)
          // Sessions end; their ships are free again.
          const freed = { ...seen.rollout.outdated, inUse: inUse - 1, ready: seen.rollout.outdated.ready + 1 }
          seen = isStill ? { ...seen, rollout: { ...seen.rollout, outdated: freed } } : next
        }
        assert.ok(['done', 'rolled-back'].includes(seen.rollout.state), JSON.stringify(seen))
        assert.is(sizeOf(seen.rollout.outdated), 0)
        // What is too many by then is scaled down as in any fleet.
        assert.ok(sizeOf(seen.rollout.updated) >= replicas)
      },
    ),
    { numRuns: 1_000 },
  )
})

test('a revision that never gets Ready costs no more than may be unavailable, then goes back with the reason', () => {
  const crews = { updated: { ...noCrew, coming: 5 }, outdated: { ...noCrew, ready: 8 } }
  const failing = { ...crews, failures: 4, lastFailure: 'lobby-x: it ended with code 1' }
  const strategy = { type: 'rolling', maxSurge: 3, maxUnavailable: 2 }
  assert.equal(rolloutNeed(picture(crews, strategy), laterMs), { do: 'nothing' })
  assert.equal(rolloutNeed(picture(failing, strategy), laterMs), {
    ...{ do: 'turn', to: 'rolling-back' },
    reason: '4 failures of revision 2, and 3 are allowed. The last: lobby-x: it ended with code 1',
  })
  const never = { ...strategy, maxFailures: null }
  assert.equal(rolloutNeed(picture(failing, never), laterMs), { do: 'nothing' })
  assert.equal(rolloutNeed(picture({ ...failing, state: 'rolling-back' }, strategy), laterMs), {
    do: 'nothing',
  })
})

test('canaries: their number, replacements of the revision before, and the pause', () => {
  const strategy = { type: 'canary', percent: 15, pauseMs: 60_000, maxSurge: 1, maxUnavailable: 0 }
  const ready = (count: number) => ({ ...noCrew, ready: count })
  const at = (state: 'canary' | 'watching', updated: Crew, outdated: Crew, nowMs = laterMs) =>
    rolloutNeed(picture({ state, updated, outdated }, strategy), nowMs)
  assert.equal(at('canary', noCrew, ready(10)), { do: 'create', count: 1, of: 2 })
  assert.equal(at('canary', ready(1), ready(10)), {
    ...{ do: 'stop', count: 1, states: ['Ready'], outdated: true },
  })
  assert.is(at('canary', ready(2), ready(8)).do, 'turn')
  assert.equal(at('watching', ready(2), ready(7), Date.parse(startedAt)), { do: 'create', count: 1, of: 1 })
  assert.equal(at('watching', ready(2), ready(8), Date.parse(startedAt) + 59_999), { do: 'nothing' })
  assert.is(at('watching', ready(2), ready(8), Date.parse(startedAt) + 60_000).do, 'turn')
})

test('a canary that failed has to do well anew, from when another one is Ready', () => {
  const strategy = { type: 'canary', percent: 10, pauseMs: 60_000 }
  const sinceMs = Date.parse(startedAt)
  const time = (seconds: number) => new Date(sinceMs + seconds * 1_000).toISOString()
  const failed = { failures: 3, lastFailure: 'lobby-x: it ended with code 1', lastFailureAt: time(55) }
  const at = (seconds: number, ready: number, change: object = {}) => {
    const crews = { updated: { ...noCrew, ready }, outdated: { ...noCrew, ready: 9 } }
    const seen = picture({ state: 'watching', ...crews, ...failed, ...change }, strategy)
    return rolloutNeed(seen, sinceMs + seconds * 1_000)
  }
  assert.is(at(56, 0).do, 'create')
  const need = at(60, 1)
  assert.equal([need.do, need.do === 'turn' && need.to], ['turn', 'watching'])
  assert.ok(mayTurn('watching', 'watching'))
  assert.match(need.do === 'turn' ? need.reason : '', 'lobby-x: it ended with code 1')
  assert.equal(at(119, 1, { since: time(60) }), { do: 'nothing' })
  const last = at(120, 1, { since: time(60) })
  assert.equal([last.do, last.do === 'turn' && last.to], ['turn', 'rolling'])
})

test('who is missed least: nobody yet, no players, empty the longest, an emptier host, an older revision', () => {
  const ship = (id: string, change: Partial<Candidate> = {}): Candidate => ({
    ...{ id, state: 'Ready', createdAt: startedAt, blueprint: { name: 'arena', revision: 2 } },
    ...{ stateSince: '2026-01-01T00:50:00.000Z', host: 'full', wasInUse: null, sample: null },
    ...change,
  })
  const ships = [
    ship('usual'),
    ship('played', { sample: { players: 3 } }),
    ship('played-more', { sample: { players: 9 } }),
    ship('roomy', { counters: { rooms: { count: 1, capacity: 10 } } }),
    ship('full-list', { lists: { players: { values: ['a', 'b'], capacity: 2 } } }),
    ship('long-empty', { stateSince: '2026-01-01T00:20:00.000Z', sample: { players: 0 } }),
    ship('left-just-now', {
      stateSince: '2026-01-01T00:20:00.000Z',
      sample: { players: 0, emptyForMs: 60_000 },
    }),
    ship('left-long-ago', { sample: { players: 0, emptyForMs: 7_200_000 } }),
    ship('on-emptier', { host: 'emptier' }),
    ship('older', { blueprint: { name: 'arena', revision: 1 } }),
    ship('starting', { state: 'Starting' }),
    ship('ill-in-use', { state: 'Unhealthy', wasInUse: 'Allocated' }),
    ship('allocated', { state: 'Allocated' }),
  ]
  const choice = {
    states: ['Starting', 'Unhealthy', 'Ready'] as const,
    crews: new Map([
      ['full', 9],
      ['emptier', 2],
    ]),
    nowMs: laterMs,
  }
  const least = ['starting', 'left-long-ago', 'long-empty', 'on-emptier', 'older', 'usual', 'left-just-now']
  const order = [...least, 'roomy', 'full-list', 'played', 'played-more']
  assert.equal(leastMissed(ships, { count: 14, ...choice }), order)
  assert.equal(leastMissed(ships, { count: 2, ...choice }), order.slice(0, 2))
  const numbered = [ship('a', { name: 'lobby-9' }), ship('b', { name: 'lobby-2', state: 'Starting' })]
  const more = [
    ship('c', { name: 'lobby-11', sample: { players: 3 } }),
    ship('d', { state: 'Allocated', name: 'lobby-12' }),
  ]
  assert.equal(leastMissed([...numbered, ...more], { count: 9, ...choice }), ['c', 'a', 'b'])
})

test('a rollout is not done while hosts have yet to say that ships have other limits', () => {
  const need = (pending: number) => {
    const resized = { done: 10 - pending, pending, refused: 0 }
    return rolloutNeed(picture({ updated: { ...noCrew, ready: 10 }, resized }, { type: 'rolling' }), laterMs)
  }
  assert.equal(need(2), { do: 'nothing' })
  assert.is(need(0).do, 'turn')
})

test.run()

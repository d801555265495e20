// Which ships of a fleet have its overflow, and what it leaves of their own labels and annotations.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { allocate } from '../../functions/services/changes/allocating.ts'
import { move, newShip } from '../../functions/services/changes/lifecycle.ts'
import { afterOverflow, beyond } from '../../functions/services/changes/overflow.ts'
import { AllocationRequest } from '../../shared/model/allocation.ts'
import { type Blueprint, BlueprintSpec } from '../../shared/model/blueprint.ts'
import type { Fleet } from '../../shared/model/fleet.ts'
import { Overflow } from '../../shared/model/overflow.ts'
import type { Ship } from '../../shared/model/ship.ts'

const test = suite('overflow')
const overflow = Overflow.parse({ labels: { open: 'no' }, annotations: { last: 'yes' } })
const spec = BlueprintSpec.parse({ image: 'game:1' })

function fleetOf(replicas: number, change: object = {}): Fleet {
  return { name: 'cup', replicas, blueprint: { name: 'cup', revision: 2 }, overflow, ...change } as Fleet
}

function ship(id: string, change: Partial<Ship> = {}): Ship {
  const blueprint = { name: 'cup', revision: 2, spec } as Blueprint
  const labels = { open: 'yes', map: 'hills' }
  const made = newShip({ id, fleet: 'cup', blueprint, labels, priority: 0, requestDigest: '' })
  return { ...made, state: 'Allocated', annotations: { own: 'kept' }, ...change }
}

const old = (id: string, change: Partial<Ship> = {}) =>
  ship(id, { blueprint: { name: 'cup', revision: 1 }, ...change })
const rollout = (state: string, more: object = {}) => ({ rollout: { state, from: 1, to: 2, ...more } })
const given = (one: Ship, fleet = fleetOf(0)) => afterOverflow(one, fleet, true) as Ship
const chosen = (fleet: Fleet, ...ships: Ship[]) => [...beyond(fleet, ships)].sort()

test('those that are too many: whoever has it keeps it, then the oldest sessions; only ships in use', () => {
  const at = (minute: number) => ({ stateSince: `2026-01-01T00:0${minute}:00.000Z` })
  const ships = [
    ...[ship('late', at(3)), ship('early', at(1)), ship('middle', at(2)), ship('idle', { state: 'Ready' })],
    ship('ill', { ...at(4), state: 'Unhealthy', wasInUse: 'Allocated' }),
  ]
  assert.deepEqual(chosen(fleetOf(4), ...ships), [])
  assert.deepEqual(chosen(fleetOf(3), ...ships), ['early'])
  assert.deepEqual(chosen(fleetOf(0), ...ships), ['early', 'ill', 'late', 'middle'])
  const [late = ship(''), ...others] = ships
  assert.deepEqual(chosen(fleetOf(3), given(late), ...others), ['late'])
})

test('those of older revisions, once a rollout is to end them; they are the first that are too many', () => {
  const ships = [old('a'), old('b'), ship('c'), ship('d')]
  assert.deepEqual(chosen(fleetOf(4, rollout('rolling')), ...ships), ['a', 'b'])
  assert.deepEqual(chosen(fleetOf(2, rollout('rolling-back')), ...ships), ['a', 'b'])
  assert.equal(chosen(fleetOf(1, rollout('rolling')), ...ships).length, 3)
  for (const state of ['canary', 'watching', 'done', 'rolled-back'])
    assert.deepEqual(chosen(fleetOf(4, rollout(state)), ...ships), [], state)
  assert.deepEqual(chosen(fleetOf(4, rollout('rolling', { paused: {} })), ...ships), [])
})

test('it comes over what is there, once, and goes without a trace; what others wrote over it stays', () => {
  const one = ship('one')
  const has = given(one)
  assert.deepEqual(has.labels, { open: 'no', map: 'hills' })
  assert.deepEqual(has.annotations, { own: 'kept', last: 'yes' })
  assert.equal(afterOverflow(has, fleetOf(0), true), undefined)
  assert.deepEqual(afterOverflow(has, fleetOf(9), false), one)
  const relabelled = { ...has, labels: { ...has.labels, open: 'maybe' } }
  assert.equal(afterOverflow(relabelled, fleetOf(9), false)?.labels.open, 'maybe')
  // Still beyond, it has it again, and what was written is what comes back.
  const again = given(relabelled)
  assert.equal(again.labels.open, 'no')
  assert.equal(afterOverflow(again, fleetOf(9), false)?.labels.open, 'maybe')
})

test('a session that comes to a ship with it, and gives the same label, leaves none of both', () => {
  const gift = AllocationRequest.parse({ labels: { open: 'vip' }, annotations: { last: 'vip' } })
  const taking = { suffix: 'aaaaa', by: 'admin', leaseMs: null, gift }
  const joined = allocate(given(ship('one')), taking, Date.now()) as Ship
  const again = given(joined)
  assert.deepEqual([again.labels.open, again.annotations?.last], ['no', 'yes'])
  const free = move(again, 'Ready', 'api', 'given back')
  assert.deepEqual([free?.labels, free?.annotations], [ship('one').labels, ship('one').annotations])
})

test('another overflow takes its place, an empty one takes it away, and the end of the use as well', () => {
  const one = ship('one')
  const other = Overflow.parse({ labels: { closing: 'soon' } })
  assert.deepEqual(given(given(one), fleetOf(0, { overflow: other })).labels, {
    ...one.labels,
    closing: 'soon',
  })
  assert.deepEqual(afterOverflow(given(one), fleetOf(0, { overflow: Overflow.parse({}) }), true), one)
  const free = move(given(one), 'Ready', 'api', 'given back')
  assert.deepEqual(
    [free?.labels, free?.annotations, free?.overflow],
    [one.labels, one.annotations, undefined],
  )
})

test('a record without room for it is left alone', () => {
  const full = ship('full', {
    annotations: { a: 'x'.repeat(4_000), b: 'x'.repeat(4_000), c: 'x'.repeat(150) },
  })
  assert.equal(afterOverflow(full, fleetOf(0), true), undefined)
  assert.throws(() => Overflow.parse({ annotations: { a: 'x'.repeat(1_024) } }), /1024 bytes/)
})

test.run()

// A fleet's labels on ships whose allocations gave them others: neither takes away what the other says.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { allocate, giveBack } from '../../functions/services/changes/allocating.ts'
import { givenInPlace, inPlaceIfSoft, relabelled } from '../../functions/services/changes/inPlace.ts'
import { newShip } from '../../functions/services/changes/lifecycle.ts'
import { goingTo } from '../../functions/services/changes/rolloutChanges.ts'
import { Refused } from '../../functions/services/changes/words.ts'
import { AllocationRequest } from '../../shared/model/allocation.ts'
import { type Blueprint, BlueprintSpec } from '../../shared/model/blueprint.ts'
import type { Fleet } from '../../shared/model/fleet.ts'
import type { Ship } from '../../shared/model/ship.ts'

const test = suite('given labels')
const spec = BlueprintSpec.parse({ image: 'game:1', labels: { mode: 'duel' } })
const blueprint = { name: 'arena', revision: 1, spec } as Blueprint
const labels = { map: 'hills' }
const fleet = { name: 'arena', blueprint: { name: 'arena', revision: 1 }, labels } as unknown as Fleet
const wanted = { id: 'arena-1', fleet: 'arena', blueprint, labels, priority: 0, requestDigest: '' }
const ready: Ship = { ...newShip(wanted), state: 'Ready' }

function allocated(ship: Ship, suffix: string, labels: Record<string, string>): Ship {
  const gift = AllocationRequest.parse({ labels })
  const next = allocate(ship, { suffix, by: 'admin', leaseMs: null, gift }, Date.now())
  assert.ok(!(next instanceof Refused))
  return next
}

const over = (ship: Ship, suffix: string) => giveBack(ship, `arena-1-${suffix}`, 'ready', 'over') as Ship

test('the session keeps its own labels, and its ship has those of the fleet when it is over', () => {
  const used = allocated(ready, 'aaaaa', { map: 'duel' })
  const given = givenInPlace(used, relabelled(fleet, { map: 'caves', region: 'eu' })) as Ship
  assert.deepEqual(given.labels, { mode: 'duel', map: 'duel', region: 'eu' })
  assert.deepEqual(over(given, 'aaaaa').labels, { mode: 'duel', map: 'caves', region: 'eu' })
  const bare = givenInPlace(given, relabelled(fleet, { map: null })) as Ship
  assert.equal(bare.labels.map, 'duel')
  assert.deepEqual(over(bare, 'aaaaa').labels, { mode: 'duel', region: 'eu' })
})

test('of two sessions with the same label the later one is seen, whichever ends first', () => {
  const both = allocated(allocated(ready, 'aaaaa', { map: 'one' }), 'bbbbb', { map: 'two' })
  const given = givenInPlace(both, relabelled(fleet, { map: 'caves' })) as Ship
  assert.equal(given.labels.map, 'two')
  assert.equal(over(given, 'bbbbb').labels.map, 'one')
  assert.equal(over(given, 'aaaaa').labels.map, 'two')
  assert.equal(over(over(given, 'bbbbb'), 'aaaaa').labels.map, 'caves')
  assert.equal(over(over(given, 'aaaaa'), 'bbbbb').labels.map, 'caves')
})

test("a revision's labels as well; a ship that has it all is left alone", () => {
  const to = { ...spec, labels: { mode: 'team' } }
  const after = inPlaceIfSoft(fleet, goingTo(fleet, 2, 'by a test'), spec, to)
  const used = allocated(ready, 'aaaaa', { mode: 'solo' })
  const given = givenInPlace(used, after) as Ship
  assert.deepEqual([given.labels.mode, given.blueprint.revision], ['solo', 2])
  assert.equal(over(given, 'aaaaa').labels.mode, 'team')
  assert.equal(givenInPlace(given, after), undefined)
})

test.run()

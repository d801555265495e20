// Which players confirm a lease.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { allocate } from '../../functions/services/changes/allocating.ts'
import { counted, thereBefore } from '../../functions/services/changes/firstPlayer.ts'
import { newShip } from '../../functions/services/changes/lifecycle.ts'
import { BlueprintSpec } from '../../shared/model/blueprint.ts'
import type { Ship } from '../../shared/model/ship.ts'

const test = suite('first player')

const nowMs = Date.now()
const blueprint = {
  ...{ name: 'arena', revision: 1, createdAt: new Date(nowMs).toISOString() },
  spec: BlueprintSpec.parse({ image: 'game:1' }),
}
const made = newShip({
  ...{ id: 'arena-1', fleet: 'arena', blueprint, labels: {}, priority: 50, requestDigest: 'none' },
})

/** A ship that was Ready for so long, and had so many players, when it was taken. */
function leased(readyMs: number, players: number): Ship {
  const stateSince = new Date(nowMs - readyMs).toISOString()
  const ready: Ship = { ...made, state: 'Ready', stateSince }
  const gift = { labels: {}, annotations: {}, counters: {}, lists: {}, reserve: false }
  const taking = { suffix: 'abcde', by: 'ann', leaseMs: 60_000, gift }
  const taken = allocate(ready, taking, nowMs, thereBefore(ready, players, nowMs))
  if (taken instanceof Error) throw taken
  return taken
}
const leaseOf = (ship: Ship | undefined) => ship?.allocations?.[0]?.leaseUntil
const told = (ship: Ship, players: number, afterMs: number) => counted(ship, players, nowMs + afterMs)

test('of an empty ship the first one confirms', () => {
  const ship = leased(60_000, 0)
  assert.equal(told(ship, 0, 5_000), undefined)
  assert.equal(leaseOf(told(ship, 1, 5_000)), null)
})

test('of a lobby one more than were there, or than have stayed', () => {
  const ship = leased(60_000, 3)
  assert.equal(told(ship, 3, 5_000), undefined)
  assert.equal(told(ship, 3, 50_000), undefined)
  assert.equal(leaseOf(told(ship, 4, 5_000)), null)
  const two = told(ship, 2, 5_000)
  assert.ok(two && leaseOf(two))
  assert.equal(told(two, 2, 10_000), undefined)
  assert.equal(leaseOf(told(two, 3, 10_000)), null)
})

test('what was told of the session before counts for a while only', () => {
  const ship = leased(100, 2)
  assert.equal(told(ship, 2, 5_000), undefined)
  assert.equal(leaseOf(told(ship, 3, 5_000)), null)
  assert.equal(leaseOf(told(ship, 2, 16_000)), null)
  assert.equal(told(ship, 0, 16_000), undefined)
})

test.run()

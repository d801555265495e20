// A rollout as the API shows it, from the records of its ships.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { crash } from '../../functions/services/changes/crash.ts'
import { giveBack, newShip, refuse, requeue } from '../../functions/services/changes/lifecycle.ts'
import { howShipsDo } from '../../functions/services/fleets/rolloutViews.ts'
import { ShipIndex } from '../../functions/stores/mirror/shipIndex.ts'
import { Table } from '../../functions/stores/mirror/table.ts'
import { type Blueprint, BlueprintSpec } from '../../shared/model/blueprint.ts'
import type { Fleet } from '../../shared/model/fleet.ts'
import type { Ship } from '../../shared/model/ship.ts'

const test = suite('rollout views')
const spec = BlueprintSpec.parse({ image: 'game:2' })
const blueprint = { name: 'duel', revision: 2, spec } as Blueprint
const startedAt = new Date(0).toISOString()
const fleet = {
  ...{ name: 'duel', replicas: 1, blueprint: { name: 'duel', revision: 2 } },
  rollout: { state: 'rolling', from: 1, to: 2, startedAt, since: startedAt, reason: null },
} as Fleet

function rolloutWith(ship: Ship) {
  const table = new Table<Ship>('ships/')
  const index = new ShipIndex(table)
  table.apply({ key: `ships/${ship.id}`, value: JSON.stringify(ship), revision: 1 })
  return howShipsDo(fleet, {}, index).rollout
}

/** Its start fails, on a host. */
function failing(ship: Ship): Ship {
  const back = giveBack({ ...ship, state: 'Starting', host: 'h' }, 'it ended with code 1', true, null, 5)
  assert.ok(back)
  return back
}

const wanted = { id: 'duel-1', fleet: 'duel', blueprint, labels: {}, priority: 0, requestDigest: '' }

test('why a ship failed is said also when it is tried again, or finds no host', () => {
  const queued = failing(failing(newShip(wanted)))
  const starting: Ship = { ...queued, state: 'Starting', host: 'h', reason: 'pulling game:2, 45 %' }
  const refused = refuse(queued, queued.attempt, '2 hosts: not enough memory', undefined)
  assert.ok(refused)
  for (const ship of [queued, starting, { ...starting, reason: null }, refused])
    assert.equal(rolloutWith(ship)?.lastFailure, 'duel-1: Start 2 of 5 failed on h: it ended with code 1')
})

test('crashes count, also of a ship that is tried again; of failed starts all but the first', () => {
  const restart = { policy: 'elsewhere', most: 5 } as const
  const ended = (ship: Ship) =>
    crash({ ...ship, state: 'Ready', host: 'h' }, 'it ended with code 7', null, restart)
  const once = ended(newShip(wanted))
  assert.ok(once)
  const twice = ended(once)
  assert.ok(twice)
  const started = failing(newShip(wanted))
  const cases: [Ship, number][] = [
    [newShip(wanted), 0],
    [started, 0],
    [failing(started), 1],
    [once, 1],
    [twice, 2],
    [{ ...twice, state: 'Allocated' }, 2],
    [failing(failing(twice)), 3],
    [{ ...newShip(wanted), state: 'Failed' }, 1],
  ]
  for (const [ship, failures] of cases) assert.equal(rolloutWith(ship)?.failures, failures)
  const unclaimed = requeue({ ...twice, state: 'Scheduled', host: 'h' }, 'controllers', 'h did not claim it')
  assert.ok(unclaimed)
  assert.match(rolloutWith(unclaimed)?.lastFailure ?? '', /Crash 2 of 5/)
  assert.match(rolloutWith(twice)?.lastFailure ?? '', /duel-1: Crash 2 of 5, on h: it ended with code 7/)
  // Ready again: when it failed is what its history says.
  const crashedAt = '2026-01-01T00:00:00.000Z'
  const history = twice.history?.map((entry) => ({ ...entry, at: crashedAt }))
  const again: Ship = {
    ...twice,
    ...(history && { history }),
    state: 'Ready',
    stateSince: '2026-01-01T00:00:05.000Z',
  }
  assert.equal(rolloutWith(again)?.lastFailureAt, crashedAt)
  const failed: Ship = { ...newShip(wanted), state: 'Failed', stateSince: crashedAt }
  assert.equal(rolloutWith(failed)?.lastFailureAt, crashedAt)
  assert.equal(rolloutWith(newShip(wanted))?.lastFailureAt, null)
})

test.run()

// What the next ships of a fleet could serve, as far as that is known before there are any.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { Supply } from '../../functions/services/autoscaling/supply.ts'
import { AllocationRequest } from '../../shared/model/allocation.ts'
import type { Autoscale } from '../../shared/model/autoscale.ts'
import { BlueprintSpec } from '../../shared/model/blueprint.ts'
import type { Fleet } from '../../shared/model/fleet.ts'
import type { Ship } from '../../shared/model/ship.ts'

const test = suite('supply')
const spec = BlueprintSpec.parse({
  image: 'game:1',
  labels: { mode: 'duel' },
  counters: { rooms: { capacity: 4 }, said: {} },
  lists: { players: { capacity: 2 } },
})
const fleet = {
  ...{ name: 'lobby', labels: { map: 'hills' } },
  autoscale: { max: 5 },
} as unknown as Fleet & { autoscale: Autoscale }

function wantsOf(request: object) {
  const { selectors, strategy, priorities, counters, lists, reserve, count } =
    AllocationRequest.parse(request)
  const shared = { strategy, priorities, counters, lists, reserve, fleets: null }
  return { count, wants: selectors.map((selector) => ({ selector, ...shared })) }
}

function suits(request: object, ships: readonly Partial<Ship>[] = []): boolean {
  const waiter = wantsOf(request)
  const supply = new Supply(fleet, spec, () => ships as Ship[])
  return supply.mayServe(waiter) && waiter.wants.some((want) => supply.suits(want))
}

test('what its blueprint declares, and no more; things that it does not have, never', () => {
  const counter = (need: object, name = 'rooms') => ({ selectors: [{ counters: { [name]: need } }] })
  const list = (need: object, name = 'players') => ({ selectors: [{ lists: { [name]: need } }] })
  const cases: [object, boolean][] = [
    [{}, true],
    [{ selectors: [{ matchLabels: { mode: 'duel', map: 'hills' } }] }, true],
    [{ selectors: [{ matchLabels: { map: 'caves' } }] }, false],
    [{ selectors: [{ fleet: 'other' }] }, false],
    [counter({ minAvailable: 4 }), true],
    [counter({ minAvailable: 5 }), false],
    [counter({ minCount: 5 }), false],
    [counter({}, 'constructor'), false],
    [list({ minAvailable: 2, contains: 'anna' }), true],
    [list({ minAvailable: 3 }), false],
    [list({}, 'rooms'), false],
    [{ counters: { rooms: { add: 4 } } }, true],
    [{ counters: { rooms: { add: 5 } } }, false],
    [{ counters: { rooms: { add: 5, capacity: 8 } } }, true],
    [{ lists: { players: { append: ['a', 'b', 'c'] } } }, false],
    [{ lists: { players: { append: ['a', 'b', 'c'], capacity: 3 } } }, true],
    [{ lists: { guests: { append: ['a'] } } }, false],
  ]
  for (const [request, expected] of cases) assert.equal(suits(request), expected, JSON.stringify(request))
})

test('a capacity that the game says itself is that of the largest ship; until one has said it, any', () => {
  const need = (minAvailable: number, key = 'said') => ({
    selectors: [{ counters: { [key]: { minAvailable } } }],
  })
  assert.equal(suits(need(100)), true)
  const ships = [{}, { counters: { said: { count: 1, capacity: 20 }, rooms: { count: 0, capacity: 6 } } }]
  assert.equal(suits(need(20), ships), true)
  assert.equal(suits(need(21), ships), false)
  assert.equal(suits(need(6, 'rooms'), ships), true)
})

test('more at once than the fleet may have: only when others may help', () => {
  assert.equal(suits({ selectors: [{ fleet: 'lobby' }], count: 5 }), true)
  assert.equal(suits({ selectors: [{ fleet: 'lobby' }], count: 6 }), false)
  assert.equal(suits({ selectors: [{ fleet: 'lobby' }, { fleet: 'arena' }], count: 6 }), true)
  assert.equal(suits({ count: 6 }), true)
})

test.run()

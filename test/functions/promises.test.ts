// Which ships are promised to whom of those who wait.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { likeness } from '../../functions/services/allocations/likeness.ts'
import { promisesTo } from '../../functions/services/allocations/promises.ts'
import { newShip } from '../../functions/services/changes/lifecycle.ts'
import { AllocationRequest, type Want } from '../../shared/model/allocation.ts'
import { BlueprintSpec } from '../../shared/model/blueprint.ts'
import type { Ship } from '../../shared/model/ship.ts'

const test = suite('promises')

const spec = BlueprintSpec.parse({ image: 'game:1', counters: { seats: { count: 0, capacity: 3 } } })
const blueprint = { name: 'arena', revision: 1, createdAt: new Date().toISOString(), spec }

function ship(id: string, change: Partial<Ship> = {}): Ship {
  const made = newShip({ id, fleet: 'arena', blueprint, labels: {}, priority: 50, requestDigest: 'none' })
  return { ...made, state: 'Ready', ...change }
}

function wants(json: unknown): Want[] {
  const { selectors, strategy, priorities, counters, lists, reserve } = AllocationRequest.parse(json)
  const of = { strategy, priorities, counters, lists, reserve, fleets: null }
  return selectors.map((selector) => ({ selector, ...of }))
}

const any = wants({})
const seat = wants({
  selectors: [{ state: 'Allocated' }, {}],
  counters: { seats: { add: 1 } },
})
const told = (promises: ReturnType<typeof promisesTo>) =>
  Object.fromEntries([...promises].map(([id, names]) => [id, [...names].join(' ')]))
const fresh = (...ships: Ship[]) => ships.map((ship) => ({ ship, isNew: true }))

test('one ship for each, in the order in which they came', () => {
  const waiting = ['ann', 'bob', 'eve'].map((name) => ({ name, wants: any, count: 1 }))
  assert.deepEqual(told(promisesTo(waiting, fresh(ship('b'), ship('a')))), { a: 'ann', b: 'bob' })
})

test('several are promised as a whole or not at all, and with them what was left before', () => {
  const waiting = [
    { name: 'ann', wants: any, count: 3 },
    { name: 'bob', wants: any, count: 1 },
  ]
  assert.deepEqual(told(promisesTo(waiting, fresh(ship('a'), ship('b')))), { a: 'bob' })
  const three = [...fresh(ship('c')), ...['a', 'b'].map((id) => ({ ship: ship(id), isNew: false }))]
  assert.deepEqual(told(promisesTo(waiting, three)), { a: 'ann', b: 'ann', c: 'ann' })
  const left = three.map(({ ship }) => ({ ship, isNew: false }))
  assert.deepEqual(told(promisesTo(waiting, left)), {})
})

test('room on a ship is for as many as it has room for, those on a ship that was Ready included', () => {
  const waiting = ['ann', 'bob', 'eve', 'joe'].map((name) => ({ name, wants: seat, count: 1 }))
  assert.deepEqual(told(promisesTo(waiting, fresh(ship('a')))), { a: 'ann bob eve' })
  const inUse = ship('a', { state: 'Allocated', counters: { seats: { count: 2, capacity: 3 } } })
  assert.deepEqual(told(promisesTo(waiting, fresh(inUse))), { a: 'ann' })
  const full = { ...inUse, counters: { seats: { count: 3, capacity: 3 } } }
  assert.deepEqual(told(promisesTo(waiting, fresh(full))), {})
})

test('of those who each bring a name of their own as many are promised a list as it has room for', () => {
  const joining = (name: string) =>
    wants({ selectors: [{ state: 'Allocated' }], lists: { guests: { append: [name] } } })
  const [mine, theirs, pair] = [joining('me'), joining('they'), joining('we')]
  assert.equal(likeness(mine[0] as Want), likeness(theirs[0] as Want))
  const two = { ...(pair[0] as Want), lists: { guests: { append: ['we', 'you'], remove: [] } } }
  assert.notEqual(likeness(mine[0] as Want), likeness(two))
  const waiting = ['ann', 'bob', 'eve'].map((name) => ({ name, wants: mine, count: 1 }))
  const hall = ship('a', { state: 'Allocated', lists: { guests: { values: ['joe'], capacity: 3 } } })
  assert.deepEqual(told(promisesTo(waiting, fresh(hall))), { a: 'ann bob' })
})

test('a reservation is promised no ship in use', () => {
  const reserves = wants({
    ...{ selectors: [{ state: 'Allocated' }], counters: { seats: { add: 1 } } },
    ...{ reserve: true, leaseSeconds: 9 },
  })
  const inUse = ship('a', { state: 'Allocated' })
  assert.deepEqual(told(promisesTo([{ name: 'ann', wants: reserves, count: 1 }], fresh(inUse))), {})
})

test.run()

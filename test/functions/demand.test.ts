// Which fleets grow for those who wait, and by how many ships.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { waitingFor } from '../../functions/services/autoscaling/demand.ts'
import { AllocationRequest } from '../../shared/model/allocation.ts'
import { BlueprintSpec } from '../../shared/model/blueprint.ts'
import type { Ship } from '../../shared/model/ship.ts'

const test = suite('demand')
const spec = BlueprintSpec.parse({
  image: 'game:1',
  counters: { players: { capacity: 16 }, said: {} },
  lists: { guests: { values: ['bot'], capacity: 5 } },
})

/** Fleet -> its largest number, and its ships. */
type Fleets = Record<string, { max: number; ships?: Partial<Ship>[] }>

async function demand(fleets: Fleets, ...requests: object[]): Promise<Record<string, number>> {
  const rows = requests.map((request, i) => {
    const { selectors, count, strategy, priorities, counters, lists, reserve } =
      AllocationRequest.parse(request)
    const shared = { strategy, priorities, counters, lists, reserve, fleets: null }
    return [`${i}`, { value: { count, wants: selectors.map((selector) => ({ selector, ...shared })) } }]
  })
  const scaled = Object.entries(fleets).map(([name, { max }]) => ({
    ...{ name, labels: {}, blueprint: { name: 'game', revision: 1 }, autoscale: { max } },
  }))
  const stores = {
    waiters: { table: { size: rows.length }, inOrder: () => rows },
    blueprints: { get: async () => ({ spec }) },
    ships: { index: { ofFleet: (name: string) => fleets[name]?.ships?.map((value) => ({ value })) ?? [] } },
  }
  return Object.fromEntries(await waitingFor(scaled as never, stores as never))
}

const times = (count: number, request: object) => Array.from({ length: count }, () => request)
const either = { selectors: [{ fleet: 'a' }, { fleet: 'b' }] }
const used = (count: number): Partial<Ship>[] => times(count, { state: 'Allocated' })

test('the next fleet grows when the first one cannot any more', async () => {
  assert.deepEqual(await demand({ a: { max: 1, ships: used(1) }, b: { max: 20 } }, either), { b: 1 })
  assert.deepEqual(await demand({ a: { max: 3 }, b: { max: 20 } }, ...times(5, either)), { a: 3, b: 2 })
  assert.deepEqual(await demand({ a: { max: 3 }, b: { max: 20 } }, { ...either, count: 5 }), { a: 3, b: 2 })
})

test('ships that are on their way, free or gone leave room; those in use or ill take it', async () => {
  const others = [{ state: 'Starting' }, { state: 'Ready' }, { state: 'Stopping' }, { state: 'Failed' }]
  const ill = [{ state: 'Unhealthy', wasInUse: 'Allocated' }, { state: 'Lost' }]
  const ships = [...others, ...ill] as Partial<Ship>[]
  assert.deepEqual(await demand({ a: { max: 4, ships }, b: { max: 9 } }, ...times(3, either)), { a: 2, b: 1 })
})

test('what no fleet has room for is told of the first', async () => {
  const full = { a: { max: 1, ships: used(1) }, b: { max: 2, ships: used(1) } }
  assert.deepEqual(await demand(full, ...times(3, either)), { a: 2, b: 1 })
  assert.deepEqual(await demand(full, { selectors: [{ fleet: 'a' }] }), { a: 1 })
})

const lobby = { selectors: [{ state: 'Allocated', counters: { players: { minAvailable: 1 } } }, {}] }
const joins = (add: number, more: object = {}) => ({ ...lobby, counters: { players: { add } }, ...more })
const many = { a: { max: 100 } }

test('those who share a ship order as many as they fill', async () => {
  const cases: [number, object, number][] = [
    [16, joins(1), 1],
    [17, joins(1), 2],
    [40, joins(1), 3],
    [6, joins(5), 2],
    [3, joins(9), 3],
    [16, lobby, 1],
    [3, joins(1, { count: 2 }), 2],
    [2, joins(16, { count: 2 }), 4],
    [65, joins(1, { counters: { players: { add: 1, capacity: 100 } } }), 2],
  ]
  for (const [count, request, ships] of cases)
    assert.deepEqual(await demand(many, ...times(count, request)), { a: ships }, JSON.stringify(request))
  const mixed = [joins(9), joins(9), ...times(7, joins(1)), ...times(7, joins(1))]
  assert.deepEqual(await demand(many, ...mixed), { a: 2 })
  const list = { selectors: [{}, { state: 'Allocated' }], lists: { guests: { append: ['ann', 'bob'] } } }
  assert.deepEqual(await demand(many, ...times(5, list)), { a: 3 })
})

test('whoever cannot be told to find room on the ship of another orders a whole one', async () => {
  const inUse = (more: object) => ({ selectors: [{ state: 'Allocated', ...more }, {}] })
  const requests = [
    {},
    { counters: { players: { add: 1 } } },
    { ...inUse({ fleet: 'b' }), counters: { players: { add: 1 } } },
    { ...inUse({ matchLabels: { map: 'caves' } }), counters: { players: { add: 1 } } },
    { ...inUse({}), counters: { said: { add: 1 } } },
    { ...inUse({ lists: { guests: { contains: 'ann' } } }), counters: { players: { add: 1 } } },
    joins(1, { reserve: true, leaseSeconds: 9 }),
  ]
  for (const request of requests)
    assert.deepEqual(await demand(many, ...times(3, request)), { a: 3 }, JSON.stringify(request))
})

test('a lobby that is full, in a fleet that may have no more, is followed by one of the next', async () => {
  assert.deepEqual(await demand({ a: { max: 1 }, b: { max: 5 } }, ...times(20, joins(1))), { a: 1, b: 1 })
})

test.run()

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

test.run()

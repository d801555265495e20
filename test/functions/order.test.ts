// The order in which ships are given.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { MostRoom } from '../../functions/services/allocations/lines.ts'
import { lined, ownership } from '../../functions/services/allocations/order.ts'
import { AllocationRequest, type Want } from '../../shared/model/allocation.ts'
import type { Ship } from '../../shared/model/ship.ts'

const test = suite('order of allocations')

function want(json: unknown): Want {
  const { selectors, strategy, priorities, counters, lists, reserve } = AllocationRequest.parse(json)
  const [selector] = selectors
  assert.ok(selector)
  return { selector, strategy, priorities, counters, lists, reserve, fleets: null }
}

/** As much of ships as their order looks at. */
const ship = (id: string, data: Partial<Ship> = {}) => ({ id, ...data }) as Ship
const ships = (...ids: string[]) => ids.map((id) => ship(id))
const rooms = (count: number) => ({ counters: { rooms: { count, capacity: 10 } } })
const guests = (...values: string[]) => ({ lists: { guests: { values, capacity: 3 } } })

function order(shelves: readonly { use: number; ships: Ship[] }[], json: unknown): string {
  const all = new Map(shelves.flatMap(({ ships }) => ships.map((one) => [one.id, one])))
  const ids = shelves.map(({ use, ships }) => ({ use, ships: ships.map(({ id }) => id) }))
  return lined(ids, want(json), (id) => all.get(id)).join(' ')
}

const shelves = [
  { use: 1, ships: ships('a', 'b', 'c') },
  { use: 3, ships: ships('d', 'e') },
  { use: 0, ships: ships('f') },
]

test('packed: the hosts with most ships in use, each to its end', () => {
  assert.equal(order(shelves, {}), 'd e a b c f')
})

test('distributed: always the host that has fewest in use by then', () => {
  assert.equal(order(shelves, { strategy: 'distributed' }), 'f a b c d e')
  const even = [
    { use: 0, ships: ships('a', 'b') },
    { use: 0, ships: ships('c', 'd') },
  ]
  assert.equal(order(even, { strategy: 'distributed' }), 'a c b d')
})

test('priorities in their order; ships without the counter or list come last', () => {
  const rated = [
    {
      use: 0,
      ships: [
        ship('none'),
        ship('half', { ...rooms(5), ...guests('ann') }),
        ship('full', { ...rooms(9), ...guests() }),
        ship('half-too', { ...rooms(5), ...guests('ann', 'bob') }),
      ],
    },
  ]
  const by = (type: string, key: string, order: string) => ({ type, key, order })
  const first = by('counter', 'rooms', 'ascending')
  assert.equal(order(rated, { priorities: [first] }), 'full half half-too none')
  const both = [first, by('list', 'guests', 'ascending')]
  assert.equal(order(rated, { priorities: both }), 'full half-too half none')
  const most = by('counter', 'rooms', 'descending')
  assert.equal(order(rated, { priorities: [most] }), 'half half-too full none')
})

test('of ships in use packed fills the fullest that is asked for, distributed the emptiest', () => {
  const inUse = [{ use: 3, ships: [ship('a', rooms(1)), ship('b', rooms(8)), ship('c', rooms(4))] }]
  const room = { selectors: [{ state: 'Allocated' }], counters: { rooms: { add: 1 } } }
  assert.equal(order(inUse, room), 'b c a')
  assert.equal(order(inUse, { ...room, strategy: 'distributed' }), 'a c b')
})

test('most room first: who was used goes behind his equals, who was used by others is found out', () => {
  const rows = new Map(
    ['a', 'b', 'c'].map((id) => [id, { value: ship(id, rooms(id === 'c' ? 5 : 0)), revision: 1 }]),
  )
  const use = (id: string, count: number, revision: number) => ({ value: ship(id, rooms(count)), revision })
  const measure = ({ counters }: Ship) => [counters?.rooms?.count ?? 0]
  const line = new MostRoom(['c', 'a', 'b'], (id) => rows.get(id), measure)
  const before = rows.get('a') ?? assert.fail()
  assert.equal(line.first(), 'a')
  line.used({ before, after: ship('a', rooms(1)) })
  assert.equal(line.first(), 'b')
  rows.set('b', use('b', 7, 2))
  // Memory does not show yet what was given of it here.
  assert.equal(line.first(), 'a')
  line.used({ before, after: ship('a', rooms(6)) })
  assert.equal(line.first(), 'c')
  line.drop()
  line.drop()
  line.back(['c', 'a', 'c'])
  const all = []
  for (let id = line.first(); id !== undefined; id = line.first()) {
    all.push(id)
    line.drop()
  }
  assert.equal(all.join(' '), 'a c b')
})

test('every ship is the own of one ApiServer, and each has about as many', () => {
  const servers = ['api-1', 'api-2', 'api-3']
  const owners = servers.map((me) => ownership(me, servers))
  const counts = new Map<number, number>()
  for (let i = 0; i < 3_000; i++) {
    const mine = owners.flatMap((isOwn, server) => (isOwn(`arena-${i}`) ? [server] : []))
    assert.equal(mine.length, 1)
    const [owner = 0] = mine
    counts.set(owner, (counts.get(owner) ?? 0) + 1)
  }
  for (const [server, count] of counts) assert.ok(count > 800 && count < 1_200, `${server}: ${count}`)
})

test.run()

// Sessions that a ship ends itself: counted down once, and forgotten when there is no place for new ones.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { allocate, type Gift, giveBack } from '../../functions/services/changes/allocating.ts'
import { newShip } from '../../functions/services/changes/lifecycle.ts'
import { hear } from '../../functions/services/changes/words.ts'
import { mostAllocationsOfShip } from '../../shared/model/allocation.ts'
import { BlueprintSpec } from '../../shared/model/blueprint.ts'
import { Ship } from '../../shared/model/ship.ts'

const test = suite('counted down')

const startMs = Date.now()
const minuteMs = 60_000

function ready(capacity: number, change: Partial<Ship> = {}): Ship {
  const blueprint = {
    ...{ name: 'hall', revision: 1, createdAt: new Date(startMs).toISOString() },
    spec: BlueprintSpec.parse({
      image: 'game:1',
      counters: { rooms: { count: 0, capacity } },
      lists: { players: { capacity } },
    }),
  }
  const ids = { id: 'hall-1', fleet: 'hall', requestDigest: 'none' }
  return { ...newShip({ ...ids, blueprint, labels: {}, priority: 50 }), state: 'Ready', ...change }
}

let taken = 0
interface Asked {
  gift?: Partial<Gift>
  leaseMs?: number | null
  atMs?: number
}
const room: Partial<Gift> = { counters: { rooms: { add: 1 } } }
function attempt(ship: Ship, { gift = room, leaseMs = null, atMs = startMs }: Asked = {}) {
  const all = { labels: {}, annotations: {}, counters: {}, lists: {}, reserve: false, ...gift }
  const suffix = String(taken++).padStart(5, '0')
  return allocate(ship, { suffix, by: 'ann', leaseMs, gift: all }, atMs)
}
function take(ship: Ship, asked?: Asked): Ship {
  const next = attempt(ship, asked)
  if (next instanceof Error) throw next
  return Ship.parse(JSON.parse(JSON.stringify(next)))
}
function counts(ship: Ship, add: number): Ship {
  const { ship: next, refused } = hear(ship, (ship.said ?? 0) + 1, [{ say: 'counter', name: 'rooms', add }])
  assert.equal(refused, null)
  return next
}
const idAt = (ship: Ship, at: number) => ship.allocations?.at(at)?.id ?? assert.fail()
const givenBack = (ship: Ship, id: string) => giveBack(ship, id, 'ready', 'over') ?? assert.fail()
const roomsOf = (ship: Ship) => ship.counters?.rooms?.count

test('what the ship has counted down is not counted down again, whichever allocation ends first', () => {
  const both = take(take(ready(3)))
  for (const [first, second] of [
    [0, -1],
    [-1, 0],
  ] as const) {
    const over = counts(both, -1)
    assert.deepEqual(over.countedDown, { rooms: 1 })
    const one = givenBack(over, idAt(both, first))
    assert.deepEqual([roomsOf(one), one.countedDown], [1, undefined])
    const none = givenBack(one, idAt(both, second))
    assert.deepEqual([roomsOf(none), none.state], [0, 'Ready'])
  }
})

test('given back first and counted down then, or counted up again: never less than there are', () => {
  const three = take(take(take(ready(3))))
  const two = givenBack(three, idAt(three, 0))
  assert.equal(roomsOf(two), 2)
  const up = counts(counts(two, -1), 1)
  assert.equal(up.countedDown, undefined)
  assert.equal(roomsOf(givenBack(up, idAt(up, 0))), 1)
})

test('what allocations did not add is the own of the ship', () => {
  const own = counts(counts(take(counts(ready(9), 5)), -3), -1)
  assert.deepEqual(own.countedDown, { rooms: 1 })
  const ready2 = givenBack(own, idAt(own, 0))
  assert.deepEqual([roomsOf(ready2), ready2.countedDown], [2, undefined])
})

test('a ship that ends its sessions itself takes as many as come', () => {
  let ship = ready(10)
  for (let i = 0; i < 300; i++) ship = counts(take(ship, { atMs: startMs + i * minuteMs }), -1)
  assert.equal(ship.allocations?.length, mostAllocationsOfShip)
  assert.equal(roomsOf(ship), 0)
  assert.equal(idAt(ship, -1), `hall-1-${String(taken - 1).padStart(5, '0')}`)
  const guest = { lists: { players: { append: ['bob'], remove: [] } } }
  let list = ready(10)
  for (let i = 0; i < 100; i++) {
    const full = take(list, { gift: guest, atMs: startMs + i * minuteMs })
    list = hear(full, (full.said ?? 0) + 1, [{ say: 'remove', name: 'players', value: 'bob' }]).ship
  }
  assert.equal(list.allocations?.length, mostAllocationsOfShip)
})

test('none is forgotten that may go on: not counted down, leased, or taken just now', () => {
  const fill = (one: Asked, after: (ship: Ship) => Ship) => {
    let ship = ready(1_000)
    for (let i = 0; i < mostAllocationsOfShip; i++) ship = after(take(ship, one))
    return ship
  }
  const later = { atMs: startMs + 2 * minuteMs }
  const refusal = /has 64 allocations already/
  assert.match(
    String(
      attempt(
        fill({}, (ship) => ship),
        later,
      ),
    ),
    refusal,
  )
  assert.match(
    String(
      attempt(
        fill({ leaseMs: 3_600_000, gift: {} }, (ship) => ship),
        later,
      ),
    ),
    refusal,
  )
  const over = fill({}, (ship) => counts(ship, -1))
  assert.match(String(attempt(over, { atMs: startMs + 1_000 })), refusal)
  assert.equal(take(over, later).allocations?.length, mostAllocationsOfShip)
  // One of them is over: only that one is.
  const one = counts(
    fill({}, (ship) => ship),
    -1,
  )
  assert.match(String(attempt(take(one, later), later)), refusal)
})

test('a record that is full of what ended sessions were given has place again', () => {
  const named = (i: number) => ({ ...room, annotations: { [`config-${i}`]: 'x'.repeat(3_000) } })
  let ship = ready(10)
  for (let i = 0; i < 20; i++) ship = counts(take(ship, { gift: named(i), atMs: startMs + i * minuteMs }), -1)
  assert.deepEqual(Object.keys(ship.annotations ?? {}), ['config-18', 'config-19'])
})

test.run()

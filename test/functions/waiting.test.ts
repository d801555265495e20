// Who waits for ships at two ApiServers: in which order he is served, and whom he keeps from them.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { answerOf, type Client } from '../../shared/api/client.ts'
import { AllocationRequest } from '../../shared/model/allocation.ts'
import { fleetAboard } from '../harness/fleetAboard.ts'
import { joinHost, publish, refused, startTwoServers, type TwoServers } from '../harness/twoServers.ts'
import { until } from '../harness/until.ts'

const test = suite('waiting')
let servers: TwoServers
let host: Client

type Wanted = Parameters<Client['v1']['allocations']['$post']>[0]['json']

test.before(async () => {
  servers = await startTwoServers()
  await publish(servers.a, 'arena')
  await publish(servers.a, 'lobby', { counters: { seats: { count: 0, capacity: 3 } } })
  host = (await joinHost(servers.a, 'north')).client
})
test.after(() => servers?.stop())

const fleet = (name: string, blueprint: string, count: number) =>
  fleetAboard(servers.a, { name, blueprint }, [host, count])
const from = (name: string) => ({ selectors: [{ fleet: name }] })
const seatOn = (name: string): Wanted => ({
  selectors: [{ fleet: name, state: 'Allocated' }, { fleet: name }],
  counters: { seats: { add: 1 } },
})
const take = async (json: Wanted, client = servers.a.admin) =>
  (await answerOf(client.v1.allocations.$post({ json, header: {} }))).allocations
const giveBack = (allocation: string) =>
  answerOf(servers.a.admin.v1.allocations[':allocation'].$delete({ param: { allocation }, query: {} }))
const inBothMemories = (count: number) =>
  until(() => servers.direct.every(({ stores }) => stores.waiters.table.size === count))

/** Waits at an ApiServer that has died: nobody ever takes what is promised to it. */
async function dead(json: Wanted): Promise<() => Promise<void>> {
  const { selectors, strategy, priorities, counters, lists, reserve, count } = AllocationRequest.parse(json)
  const of = { strategy, priorities, counters, lists, reserve, fleets: null }
  const { waiters } = servers.direct[0].stores
  const wants = selectors.map((selector) => ({ selector, ...of }))
  const name = await waiters.add({ wants, count, untilMs: Date.now() + 60_000 })
  await until(() => servers.direct.every(({ stores }) => stores.waiters.table.get(name)))
  return async () => {
    await waiters.remove(name)
    await until(() => servers.direct.every(({ stores }) => !stores.waiters.table.get(name)))
  }
}

test('whoever waits for several keeps nobody from a ship that does not suffice, and gets them when so many are free', async () => {
  await fleet('several', 'arena', 3)
  const held = await take({ ...from('several'), count: 3 })
  const several = take({ ...from('several'), count: 3, waitSeconds: 9 }, servers.direct[0].admin)
  await inBothMemories(1)
  for (const { admin } of servers.direct) {
    const { id = '', ship } = held.shift() ?? {}
    await giveBack(id)
    const startMs = performance.now()
    const [single] = await take(from('several'), admin)
    assert.ok(performance.now() - startMs < 900, 'it waited for a promise')
    assert.equal(single?.ship, ship)
    held.push(single as never)
  }
  for (const { id } of held) await giveBack(id)
  assert.equal(new Set((await several).map(({ ship }) => ship)).size, 3)
  await inBothMemories(0)
})

test('a ship that is promised to somebody at a dead ApiServer is refused to nobody who could have it', async () => {
  await fleet('orphan', 'arena', 1)
  for (const { admin } of servers.direct) {
    const [held] = await take(from('orphan'))
    const leave = await dead(from('orphan'))
    const startMs = performance.now()
    await giveBack(held?.id ?? '')
    const [taken] = await take(from('orphan'), admin)
    assert.ok(performance.now() - startMs >= 950, 'it did not wait for whoever came first')
    assert.equal(taken?.ship, held?.ship)
    await leave()
    await giveBack(taken?.id ?? '')
  }
})

test('what was promised to somebody who leaves is for the next one', async () => {
  await fleet('left', 'arena', 1)
  const [held] = await take(from('left'))
  const leave = await dead(from('left'))
  const next = take({ ...from('left'), waitSeconds: 9 }, servers.direct[1].admin)
  await inBothMemories(2)
  await giveBack(held?.id ?? '')
  await leave()
  assert.equal((await next)[0]?.ship, held?.ship)
  await inBothMemories(0)
})

test('room on a ship in use is for those who wait for it, in their order, before those who come later', async () => {
  await fleet('seats', 'lobby', 1)
  const held = []
  for (let i = 0; i < 3; i++) held.push(...(await take(seatOn('seats'))))
  const leave = await dead(seatOn('seats'))
  const startMs = performance.now()
  await giveBack(held.shift()?.id ?? '')
  held.push(...(await take(seatOn('seats'))))
  assert.ok(performance.now() - startMs >= 950, 'a newcomer took the seat of one who waited')
  await leave()

  const order: number[] = []
  const all = []
  for (let i = 0; i < 4; i++) {
    const { admin } = servers.direct[i % 2] as { admin: Client }
    all.push(take({ ...seatOn('seats'), waitSeconds: 9 }, admin).then(() => order.push(i)))
    await inBothMemories(i + 1)
  }
  for (const { id } of held.slice(0, 2)) {
    await giveBack(id)
    const served = order.length
    await until(() => order.length === served + 1)
  }
  assert.deepEqual(order, [0, 1])
  await inBothMemories(2)
  await refused(take(seatOn('seats')), 'none_free', /counter "seats" counts from 0 to its capacity of 3/)
  const [, , last] = held
  await giveBack(last?.id ?? '')
  await until(() => order.length === 3)
  const param = { ship: last?.ship ?? '' }
  const json = { counters: { seats: { capacity: 4 } } }
  await answerOf(servers.a.admin.v1.ships[':ship'].$patch({ param, json, header: {} }))
  await Promise.all(all)
  assert.deepEqual(order, [0, 1, 2, 3])
})

test('a ship that becomes free costs no look at the fleet, however many wait for it', async () => {
  await fleet('crowd', 'arena', 1)
  const [held] = await take(from('crowd'))
  const [{ stores, admin }] = servers.direct
  // As many as one client has under way.
  const all = Array.from({ length: 16 }, () => take({ ...from('crowd'), waitSeconds: 8 }, admin))
  await inBothMemories(16)
  const { index } = stores.ships
  const ofFleet = index.ofFleet.bind(index)
  let looks = 0
  index.ofFleet = (name) => {
    if (name === 'crowd') looks++
    return ofFleet(name)
  }
  await giveBack(held?.id ?? '')
  const [first] = await Promise.race(all)
  assert.equal(first?.ship, held?.ship)
  await inBothMemories(15)
  // Now and then the order is made anew, whoever waits.
  assert.ok(looks < 5, `${looks} looks`)
  index.ofFleet = ofFleet
  await Promise.allSettled(all)
})

test.run()

// Allocations on two ApiServers behind a load balancer: what is taken, by which rules, and how it is given back.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { answerOf, type Client } from '../../shared/api/client.ts'
import { isInUse } from '../../shared/model/shipState.ts'
import { adminToken } from '../harness/apiServer.ts'
import { fleetAboard } from '../harness/fleetAboard.ts'
import {
  joinHost,
  publish,
  refused,
  report,
  shipAt,
  startTwoServers,
  type TwoServers,
} from '../harness/twoServers.ts'
import { until } from '../harness/until.ts'

const test = suite('allocations')
let servers: TwoServers
let north: Client
let south: Client

type Wanted = Parameters<Client['v1']['allocations']['$post']>[0]['json']

const rooms = { rooms: { count: 0, capacity: 3 } }
const players = { players: { values: ['ann'], capacity: 3 } }

test.before(async () => {
  servers = await startTwoServers()
  await publish(servers.a, 'arena')
  await publish(servers.a, 'lobby', { counters: rooms, lists: players, lifecycle: { afterUse: 'stop' } })
  north = (await joinHost(servers.a, 'north')).client
  south = (await joinHost(servers.a, 'south')).client
})
test.after(() => servers?.stop())

const readyFleet = (name: string, blueprint: string, ...counts: [Client, number][]) =>
  fleetAboard(servers.a, { name, blueprint }, ...counts)

const post = (json: Wanted, key?: string, client = servers.a.admin) =>
  client.v1.allocations.$post({ json, header: key ? { 'idempotency-key': key } : {} })
const take = async (json: Wanted, key?: string, client?: Client) =>
  (await answerOf(post(json, key, client))).allocations
const one = async (json: Wanted, key?: string, client?: Client) => {
  const [only] = await take(json, key, client)
  assert.ok(only)
  return only
}
const giveBack = (allocation: string, query: { afterUse?: 'ready' | 'stop' } = {}) =>
  answerOf(servers.a.admin.v1.allocations[':allocation'].$delete({ param: { allocation }, query }))
const from = (fleet: string) => ({ selectors: [{ fleet }] })

test('one ship, once; when none is free the answer says why, and it is true', async () => {
  const [id] = await readyFleet('single', 'arena', [north, 1])
  const taken = await one({ ...from('single'), labels: { match: 'final' }, annotations: { map: 'dm6' } })
  assert.deepEqual([taken.ship, taken.state, taken.by, taken.host], [id, 'Allocated', 'admin', 'north'])
  const ship = await shipAt(servers.a, taken.ship)
  assert.deepEqual([ship.labels.match, ship.annotations?.map], ['final', 'dm6'])
  await refused(take(from('single')), 'none_free', /1 of fleet "single": Allocated/)
  await refused(take(from('nothing')), 'none_free', /there is none, nor a fleet "nothing"/)
  await readyFleet('few', 'arena', [north, 2])
  const tooMany = /There are not 3 free ships.* 2 of fleet "few": free, if nobody else waits for them/
  await refused(take({ ...from('few'), count: 3 }), 'none_free', tooMany)
  const raw = await fetch(`${servers.a.url}/v1/allocations`, {
    method: 'POST',
    headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify(from('single')),
  })
  assert.deepEqual([raw.status, raw.headers.get('retry-after')], [429, '1'])
  const back = await giveBack(taken.id)
  assert.equal(back.state, 'Ready')
  const after = await shipAt(servers.a, taken.ship)
  assert.deepEqual(
    [after.labels.match, after.annotations?.map, after.allocations],
    [undefined, undefined, []],
  )
  await refused(giveBack(taken.id), 'not_found')
  const { events } = await answerOf(
    servers.a.admin.v1.ships[':ship'].events.$get({ param: { ship: taken.ship } }),
  )
  const told = events.slice(-2).map(({ type, reason }) => `${type}: ${reason}`)
  assert.deepEqual(told, [
    `ship.allocated: allocated by admin as ${taken.id}`,
    'ship.ready: given back by admin',
  ])
})

test('a hundred at once over two servers for fifty ships: each to one, the others refused', async () => {
  const ids = await readyFleet('many', 'arena', [north, 25], [south, 25])
  const { direct } = servers
  const results = await Promise.allSettled(
    Array.from({ length: 100 }, (_, i) =>
      one(from('many'), undefined, (direct[i % 2] as never as { admin: Client }).admin),
    ),
  )
  const ships = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value.ship] : []))
  assert.deepEqual([...ships].sort(), [...ids].sort())
  for (const result of results)
    if (result.status === 'rejected') assert.equal(result.reason.code, 'none_free')
})

test('selectors go in their order; labels, expressions and a limited token narrow them', async () => {
  const [first = '', second = ''] = await readyFleet('picky', 'arena', [north, 3])
  const label = (ship: string, labels: Record<string, string>) =>
    answerOf(servers.a.admin.v1.ships[':ship'].$patch({ param: { ship }, json: { labels }, header: {} }))
  await label(first, { mode: 'duel' })
  await label(second, { mode: 'ctf', region: 'eu' })
  const wanted: Wanted = {
    selectors: [
      { fleet: 'picky', matchExpressions: [{ key: 'mode', operator: 'In', values: ['ctf', 'tdm'] }] },
      { fleet: 'picky', matchLabels: { mode: 'duel' } },
    ],
  }
  assert.equal((await one(wanted)).ship, second)
  assert.equal((await one(wanted)).ship, first)
  await refused(take(wanted), 'none_free', /selector 2: .*label mode differs/)
  const json = { name: 'others', role: 'allocator' as const, fleets: ['other-*'] }
  const { secret } = await answerOf(servers.a.admin.v1.tokens.$post({ json }))
  await refused(take(from('picky'), undefined, servers.a.as(secret)), 'none_free', /there is none/)
  const viewer = await answerOf(servers.a.admin.v1.tokens.$post({ json: { name: 'eyes', role: 'viewer' } }))
  await refused(take(from('picky'), undefined, servers.a.as(viewer.secret)), 'forbidden')
})

test('packed fills hosts, distributed spreads, cordoned hosts come last and drained ones never', async () => {
  // So many that each ApiServer has some of its own on both hosts: it takes those first.
  await readyFleet('spread', 'arena', [north, 16], [south, 16])
  const { index } = servers.direct[0].stores.ships
  const useOf = (host: string) => index.ofHost(host).filter(({ value }) => isInUse(value.state)).length
  await until(() => useOf('north') > useOf('south'))
  assert.equal((await one(from('spread'))).host, 'north')
  assert.equal((await one({ ...from('spread'), strategy: 'distributed' })).host, 'south')
  await answerOf(
    servers.a.admin.v1.hosts[':host'].cordon.$post({ param: { host: 'north' }, json: { reason: '' } }),
  )
  await until(() =>
    servers.direct.every(({ stores }) => stores.hosts.table.get('north')?.value.orders?.cordon),
  )
  const others = await take({ ...from('spread'), count: 15 })
  assert.ok(others.every(({ host }) => host === 'south'))
  assert.equal((await one(from('spread'))).host, 'north')
  const drain = { reason: '', deadlineSeconds: 600 }
  await answerOf(servers.a.admin.v1.hosts[':host'].drain.$post({ param: { host: 'north' }, json: drain }))
  await until(() =>
    servers.direct.every(({ stores }) => stores.hosts.table.get('north')?.value.orders?.drain),
  )
  await refused(take(from('spread')), 'none_free', /its host is being drained/)
  await answerOf(servers.a.admin.v1.hosts[':host'].uncordon.$post({ param: { host: 'north' } }))
  assert.equal((await one(from('spread'))).host, 'north')
})

test('priorities go before the strategy: the least room first, or the most', async () => {
  const ships = await readyFleet('rated', 'lobby', [north, 3])
  for (const [i, ship] of ships.entries()) {
    const json = { counters: { rooms: { count: i } } }
    await answerOf(servers.a.admin.v1.ships[':ship'].$patch({ param: { ship }, json, header: {} }))
  }
  const rated = (order?: 'descending') =>
    one({ ...from('rated'), priorities: [{ type: 'counter', key: 'rooms', ...(order && { order }) }] })
  assert.equal((await rated('descending')).ship, ships[0])
  assert.equal((await rated()).ship, ships[2])
})

test('several at once or none at all', async () => {
  await readyFleet('batch', 'arena', [north, 5])
  const three = await take({ ...from('batch'), count: 3 })
  assert.equal(new Set(three.map(({ ship }) => ship)).size, 3)
  await refused(take({ ...from('batch'), count: 3 }), 'none_free', /not 3 free ships/)
  assert.equal((await take({ ...from('batch'), count: 2 })).length, 2)
})

test('an Idempotency-Key has one effect and one answer, whoever of the two is asked, also when no ship is left', async () => {
  await readyFleet('keyed', 'arena', [south, 2])
  const answers = await Promise.all(Array.from({ length: 20 }, () => one(from('keyed'), 'match-1')))
  assert.equal(new Set(answers.map((answer) => JSON.stringify(answer))).size, 1)
  const other = await one(from('keyed'), 'match-2')
  assert.notEqual(other.ship, answers[0]?.ship)
  assert.equal((await one(from('keyed'), 'match-1')).id, answers[0]?.id)
  await refused(take(from('keyed'), 'match-3'), 'none_free')
  await refused(take({ ...from('keyed'), count: 2 }, 'match-1'), 'key_reused')
  await giveBack(other.id)
  assert.equal((await one(from('keyed'), 'match-3')).ship, other.ship)
  assert.equal((await one(from('keyed'), 'match-2')).id, other.id)
})

test('room on ships in use: capacity is kept to, what was added goes with the session, the last one stops the ship', async () => {
  await readyFleet('halls', 'lobby', [north, 2])
  const seat: Wanted = {
    selectors: [{ fleet: 'halls', state: 'Allocated' }, { fleet: 'halls' }],
    counters: { rooms: { add: 1 } },
  }
  const seats = await Promise.all(Array.from({ length: 6 }, () => one(seat)))
  const perShip = new Map<string, number>()
  for (const { ship } of seats) perShip.set(ship, (perShip.get(ship) ?? 0) + 1)
  assert.deepEqual([...perShip.values()], [3, 3])
  await refused(take(seat), 'none_free', /counter "rooms" counts from 0 to its capacity of 3/)
  const [first] = seats
  assert.ok(first)
  const back = await giveBack(first.id)
  assert.equal(back.state, 'Allocated')
  assert.equal((await shipAt(servers.a, first.ship)).counters?.rooms?.count, 2)
  const again = await one(seat)
  assert.equal(again.ship, first.ship)
  const mine = [...seats.slice(1), again].filter(({ ship }) => ship === first.ship)
  const states = []
  for (const { id } of mine) states.push((await giveBack(id)).state)
  assert.deepEqual(states, ['Allocated', 'Allocated', 'Stopping'])
  await refused(take({ selectors: [{ fleet: 'halls', state: 'Allocated' }] }), 'invalid_request')
})

test('what a game has counted down itself is not counted down again when its session is given back', async () => {
  const [ship = ''] = await readyFleet('selfmade', 'lobby', [south, 1])
  const room: Wanted = {
    selectors: [{ fleet: 'selfmade', state: 'Allocated' }, { fleet: 'selfmade' }],
    counters: { rooms: { add: 1 } },
  }
  const first = await one(room)
  const second = await one(room)
  const words = { attempt: 1, first: 1, words: [{ say: 'counter' as const, name: 'rooms', add: -1 }] }
  await answerOf(south.v1.monitor.ships[':ship'].words.$post({ param: { ship }, json: words }))
  assert.deepEqual((await shipAt(servers.a, ship)).countedDown, { rooms: 1 })
  await giveBack(first.id)
  const left = await shipAt(servers.a, ship)
  assert.deepEqual([left.counters?.rooms?.count, left.countedDown], [1, undefined])
  await giveBack(second.id, { afterUse: 'ready' })
  assert.equal((await shipAt(servers.a, ship)).counters?.rooms?.count, 0)
})

test('lists: values are added and taken back; a full list, or one that is not there, is no match', async () => {
  await readyFleet('guests', 'lobby', [north, 1])
  const guest = (name: string): Wanted => ({
    selectors: [
      { fleet: 'guests', state: 'Allocated', lists: { players: { contains: name } } },
      { fleet: 'guests', state: 'Allocated', lists: { players: { minAvailable: 1 } } },
      { fleet: 'guests' },
    ],
    lists: { players: { append: [name] } },
  })
  const bob = await one(guest('bob'))
  assert.deepEqual(bob.lists.players?.values, ['ann', 'bob'])
  const eve = await one(guest('eve'))
  assert.deepEqual([eve.ship, eve.lists.players?.values], [bob.ship, ['ann', 'bob', 'eve']])
  assert.deepEqual((await one(guest('bob'))).lists.players?.values, ['ann', 'bob', 'eve'])
  await refused(take(guest('joe')), 'none_free', /list "players" has no such room/)
  await giveBack(eve.id)
  assert.deepEqual((await one(guest('joe'))).lists.players?.values, ['ann', 'bob', 'joe'])
  const unknown = { ...from('guests'), counters: { nothing: { add: 1 } } }
  await refused(take(unknown), 'none_free')
})

test('what no ship could take, however empty, is no matter of waiting for one', async () => {
  await readyFleet('hopeless', 'lobby', [north, 1])
  const ask = (json: Wanted) => take({ ...from('hopeless'), waitSeconds: 9, ...json })
  const three = Object.fromEntries(['a', 'b', 'c'].map((key) => [key, 'x'.repeat(4_000)]))
  await refused(ask({ annotations: three }), 'invalid_request', /annotations: .* 8192/)
  const names = ['bob', 'eve', 'joe']
  const lists = { players: { append: names, capacity: 2 } }
  await refused(ask({ lists }), 'invalid_request', /lists\.players\.append: are more than the capacity/)
  await refused(
    ask({ counters: { rooms: { add: 3, capacity: 2 } } }),
    'invalid_request',
    /counters\.rooms\.add: is more than the capacity/,
  )
  assert.equal((await one({ ...from('hopeless'), annotations: { a: three.a ?? '' } })).annotations.a, three.a)
})

test('lists of allocations come in pages, by ship, and narrowed', async () => {
  await readyFleet('listed', 'arena', [south, 3])
  const taken = await take({ ...from('listed'), count: 3 })
  const list = (query: object) => answerOf(servers.a.admin.v1.allocations.$get({ query: query as never }))
  const first = await list({ fleet: 'listed', limit: '2' })
  const rest = await list({ fleet: 'listed', limit: '2', cursor: first.nextCursor })
  assert.deepEqual([first.allocations.length, rest.allocations.length, rest.nextCursor], [2, 1, null])
  const ids = [...first.allocations, ...rest.allocations].map(({ id }) => id)
  assert.deepEqual(ids, taken.map(({ id }) => id).sort())
  const found = await answerOf(
    servers.a.admin.v1.allocations[':allocation'].$get({ param: { allocation: ids[0] ?? '' } }),
  )
  assert.equal(found.id, ids[0])
})

test('a session that ends with its ship leaves nothing behind', async () => {
  const [id = ''] = await readyFleet('crashed', 'arena', [south, 1])
  const taken = await one({ ...from('crashed'), labels: { match: 'x' } })
  const change = {
    ship: id,
    attempt: 1,
    state: 'Returned' as const,
    reason: 'crashed',
    fault: false,
    exit: null,
  }
  await report(south, change)
  const ship = await shipAt(servers.a, id)
  assert.deepEqual([ship.state, ship.allocations, ship.labels.match], ['Queued', [], undefined])
  await refused(giveBack(taken.id), 'not_found', /its ship has ended/)
})

test('those who wait get ships in the order in which they came, at whichever ApiServer', async () => {
  const ids = await readyFleet('queue', 'arena', [north, 2])
  const held = await take({ ...from('queue'), count: 2 })
  const order: number[] = []
  const waiting: Promise<unknown>[] = []
  const { waiters } = servers.direct[0].stores
  for (let i = 0; i < 6; i++) {
    const { admin } = servers.direct[i % 2] as { admin: Client }
    waiting.push(one({ ...from('queue'), waitSeconds: 60 }, undefined, admin).then(() => order.push(i)))
    await until(() => waiters.table.size === i + 1)
  }
  // Whoever does not wait comes after those who do.
  const freed = [...held.map(({ id }) => id)]
  for (let i = 0; i < 6; i++) {
    const allocation = freed.shift() ?? ''
    await giveBack(allocation)
    await until(() => order.length === i + 1, 20_000)
    const now = await answerOf(
      servers.a.admin.v1.allocations.$get({ query: { fleet: 'queue', limit: '10' } }),
    )
    freed.push(...now.allocations.map(({ id }) => id).filter((id) => !freed.includes(id)))
  }
  await Promise.all(waiting)
  assert.deepEqual(order, [0, 1, 2, 3, 4, 5])
  assert.equal(ids.length, 2)
  await until(() => waiters.table.size === 0)
  await refused(take({ ...from('queue'), waitSeconds: 1 }), 'none_free', /also after 1 s/)
  await until(() => waiters.table.size === 0)
})

test('a lease returns by itself unless it is confirmed: by the API, by the ship, by its first player', async () => {
  const ids = await readyFleet('leased', 'arena', [south, 4])
  const taken = await take({ ...from('leased'), count: 4, leaseSeconds: 1 })
  const by = (ship: string) => taken.find((one) => one.ship === ship) ?? assert.fail()
  const [api = '', sdk = '', player = '', nobody = ''] = ids
  const param = { allocation: by(api).id }
  const confirmed = await answerOf(servers.a.admin.v1.allocations[':allocation'].confirm.$post({ param }))
  assert.equal(confirmed.leaseUntil, null)
  const words = { attempt: 1, first: 1, words: [{ say: 'allocate' as const }] }
  await answerOf(south.v1.monitor.ships[':ship'].words.$post({ param: { ship: sdk }, json: words }))
  const sample = { ship: player, players: 1, maxPlayers: 8, map: 'dm1', cpuMillis: 1, memoryMiB: 1 }
  const json = { changes: [], holdings: null, host: null, ships: [sample] }
  await answerOf(south.v1.monitor.reports.$post({ json }))
  const epoch = await servers.a.lead('controllers')
  const query = { queuedMs: '60000', scheduledMs: '60000', finishedMs: '60000' }
  await until(async () => {
    const { lapsed } = await answerOf(servers.a.runner.v1.controllers.watchlist.$get({ query }))
    return lapsed.includes(by(nobody).id)
  })
  const all = { epoch, lapsed: taken.map(({ id }) => id) }
  const { returned } = await answerOf(servers.a.runner.v1.controllers.lapsed.$post({ json: all }))
  assert.deepEqual(returned, [by(nobody).id])
  const states = await Promise.all(ids.map(async (id) => (await shipAt(servers.a, id)).state))
  assert.deepEqual(states, ['Allocated', 'Allocated', 'Allocated', 'Ready'])
  await refused(
    answerOf(servers.a.runner.v1.controllers.lapsed.$post({ json: { ...all, epoch: epoch - 1 } })),
    'stale_epoch',
  )
})

test('players who were there before confirm no lease; one more does', async () => {
  const [ship = ''] = await readyFleet('busy', 'arena', [south, 1])
  const tell = (players: number) => {
    const sample = { ship, players, maxPlayers: 8, map: 'dm1', cpuMillis: 1, memoryMiB: 1 }
    const json = { changes: [], holdings: null, host: null, ships: [sample] }
    return answerOf(south.v1.monitor.reports.$post({ json }))
  }
  await tell(3)
  await until(() =>
    servers.direct.every(({ stores }) => stores.samples.textOf(ship)?.includes('"players":3')),
  )
  const { id } = await one({ ...from('busy'), leaseSeconds: 600 })
  const param = { allocation: id }
  const isLeased = async () =>
    (await answerOf(servers.a.admin.v1.allocations[':allocation'].$get({ param }))).leaseUntil !== null
  await tell(3)
  assert.ok(await isLeased())
  await tell(1)
  assert.ok(await isLeased())
  await tell(2)
  assert.ok(!(await isLeased()))
})

test('a reservation holds a ship for a time, and is an allocation once it is confirmed', async () => {
  await readyFleet('reserved', 'arena', [south, 1])
  await refused(take({ ...from('reserved'), reserve: true }), 'invalid_request', /say when/)
  const taken = await one({ ...from('reserved'), reserve: true, leaseSeconds: 600 })
  assert.equal(taken.state, 'Reserved')
  const { reservedUntil } = await shipAt(servers.a, taken.ship)
  assert.equal(reservedUntil, taken.leaseUntil)
  await refused(take(from('reserved')), 'none_free', /Reserved/)
  const param = { allocation: taken.id }
  const confirmed = await answerOf(servers.a.admin.v1.allocations[':allocation'].confirm.$post({ param }))
  assert.deepEqual([confirmed.state, confirmed.leaseUntil], ['Allocated', null])
  assert.equal((await giveBack(taken.id)).state, 'Ready')
})

test('a reservation that no ship in use can be hides none of them from other requests', async () => {
  await readyFleet('hidden', 'lobby', [north, 1])
  const room: Wanted = {
    selectors: [{ fleet: 'hidden', state: 'Allocated' }],
    counters: { rooms: { add: 1 } },
  }
  const { ship } = await one({ ...from('hidden'), counters: { rooms: { add: 1 } } })
  for (const { admin } of servers.direct) {
    const reservation = take({ ...room, reserve: true, leaseSeconds: 60 }, undefined, admin)
    await refused(reservation, 'none_free', /is Allocated already/)
    assert.equal((await one(room, undefined, admin)).ship, ship)
  }
})

test('counters and lists are changed through the API, exactly, or not at all', async () => {
  const [ship = ''] = await readyFleet('patched', 'lobby', [north, 1])
  type Patch = Parameters<Client['v1']['ships'][':ship']['$patch']>[0]['json']
  const patch = (json: Patch) =>
    answerOf(servers.a.admin.v1.ships[':ship'].$patch({ param: { ship }, json, header: {} }))
  await patch({ counters: { rooms: { capacity: 100 } } })
  await Promise.all(Array.from({ length: 10 }, () => patch({ counters: { rooms: { add: 2 } } })))
  const list = { players: { append: ['bob', 'ann'], remove: ['nobody'] } }
  const { counters, lists } = await patch({ counters: { rooms: { add: -1 } }, lists: list })
  assert.deepEqual([counters?.rooms?.count, lists?.players?.values], [19, ['ann', 'bob']])
  await refused(
    patch({ labels: { a: 'b' }, counters: { rooms: { add: 100 } } }),
    'conflict',
    /capacity of 100/,
  )
  await refused(patch({ counters: { seats: { add: 1 } } }), 'conflict', /there is no counter "seats"/)
  assert.equal((await shipAt(servers.a, ship)).labels.a, undefined)
})

test('a ship that nobody got, because etcd was away, is had once it is back', async () => {
  const { direct, stack } = servers
  const { admin } = direct[0]
  const [ship] = await readyFleet('outage', 'arena', [north, 1])
  const wanted: Wanted = { selectors: [{ fleet: 'outage' }] }
  await until(async () => (await shipAt(direct[0], ship ?? '')).state === 'Ready')
  await stack.etcd.kill()
  assert.equal((await post(wanted, undefined, admin)).status, 503)
  await stack.etcd.restart()
  let status: number | undefined
  await until(async () => {
    status = (await post(wanted, undefined, admin)).status
    return status !== 503
  }, 30_000)
  assert.equal(status, 201)
})

test.run()

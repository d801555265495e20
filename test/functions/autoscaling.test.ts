// Autoscaling on two ApiServers and real stores: what people may order, and the controllers that act on events.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { fleetsOf } from '../../functions/runners/controllers/autoscale/stream.ts'
import { control } from '../../functions/runners/controllers/control.ts'
import { AddressGuard } from '../../shared/addressGuard.ts'
import { answerOf, type Client, connect } from '../../shared/api/client.ts'
import { createLog } from '../../shared/log.ts'
import type { FleetView } from '../../shared/model/fleet.ts'
import { ZooKeeper } from '../../shared/zookeeper/client.ts'
import { adminToken, runnerToken } from '../harness/apiServer.ts'
import { Receiver } from '../harness/receiver.ts'
import {
  claim,
  joinHost,
  publish,
  refused,
  report,
  startTwoServers,
  type TwoServers,
} from '../harness/twoServers.ts'
import { until } from '../harness/until.ts'

const test = suite('autoscaling')
const log = createLog('test', process.env.ARMADA_LOG ?? 'silent')
const generousMs = 60_000
let servers: TwoServers
let host: Client
let zk: ZooKeeper
let epoch: number
let stopControllers: () => Promise<void>

const buffer = (size: number | string) => ({ type: 'buffer' as const, size })
const atOnce = { up: { stabilisationMs: 0 }, down: { stabilisationMs: 0 } }

test.before(async () => {
  servers = await startTwoServers()
  await publish(servers.a, 'arena', {
    counters: { rooms: { count: 0, capacity: 4 } },
    labels: { mode: 'duel' },
  })
  const capacity = { cpuMillis: 1_000_000, memoryMiB: 1_000_000 }
  ;({ client: host } = await joinHost(servers.a, 'north', { capacity }))
  zk = await ZooKeeper.connect({ servers: servers.stack.zookeeper.address, log })
  await startControllers()
})
test.after(async () => {
  await stopControllers?.()
  await zk?.close()
  await servers?.stop()
})

/** The controllers, in office from now on. */
async function startControllers(): Promise<void> {
  const { a } = servers
  epoch = await a.lead('controllers')
  const over = new AbortController()
  const settings = { ticketLostMs: 600_000, unclaimedMs: 600_000, forgetMs: 3_600_000 }
  const fleets = fleetsOf({ api: a.url, runnerToken }, log)
  const autoscale = { fleets, guard: new AddressGuard('127.0.0.0/8') }
  const options = { zk, client: a.runner, settings, autoscale, log }
  const running = control(options, { epoch, signal: over.signal }).catch((error) => {
    if (!over.signal.aborted) console.error('the controllers ended', error)
  })
  stopControllers = async () => {
    over.abort()
    await running
  }
}

type Ordered = Parameters<Client['v1']['fleets']['$post']>[0]['json']
const create = (json: Ordered) => answerOf(servers.a.admin.v1.fleets.$post({ json }))
const patch = (fleet: string, json: Parameters<Client['v1']['fleets'][':fleet']['$patch']>[0]['json']) =>
  answerOf(servers.a.admin.v1.fleets[':fleet'].$patch({ param: { fleet }, json, header: {} }))
const look = async (fleet: string): Promise<FleetView> =>
  (await answerOf(servers.a.admin.v1.fleets[':fleet'].$get({ param: { fleet } }))) as FleetView
const becomes = (fleet: string, holds: (view: FleetView) => boolean) =>
  until(async () => holds(await look(fleet)), generousMs)

/** The host starts all that is queued for the fleet. @returns how many. */
async function board(fleet: string): Promise<number> {
  const query = { fleet, state: 'Queued', limit: '1000' }
  const { ships } = await answerOf(servers.a.admin.v1.ships.$get({ query }))
  const some = ships.map(({ id, attempt }) => ({ ship: id, attempt }))
  if (some.length === 0) return 0
  await claim(host, some)
  await report(host, ...some.map((of) => ({ ...of, state: 'Ready' as const })))
  return some.length
}

async function take(fleet: string, count: number, waitSeconds = 0) {
  const patient = connect({ url: servers.a.url, token: adminToken, limitMs: 10_000 + 1_000 * waitSeconds })
  const json = { selectors: [{ fleet }], count, waitSeconds }
  return (await answerOf(patient.v1.allocations.$post({ json, header: {} }))).allocations
}

test('what people may order: bounds, by hand, off again; and the same request twice is one fleet', async () => {
  const autoscale = { policy: buffer(2), min: 1, max: 6 }
  const wanted = { name: 'orders', blueprint: 'arena', autoscale }
  const made = await create(wanted)
  assert.deepEqual([made.replicas, made.autoscale?.down.stabilisationMs], [1, 300_000])
  await becomes('orders', ({ replicas }) => replicas === 2)
  assert.equal((await create(wanted)).createdAt, made.createdAt)
  await refused(create({ ...wanted, autoscale: { ...autoscale, max: 7 } }), 'conflict')
  await refused(
    create({ ...wanted, name: 'other', replicas: 9 }),
    'invalid_request',
    /not within autoscale, 1 to 6/,
  )
  await refused(patch('orders', { replicas: 3 }), 'conflict', /autoscaled \(buffer, 1 to 6 ships\)/)
  await refused(patch('orders', { replicas: 3, autoscale }), 'invalid_request', /leave one of them out/)
  await refused(
    patch('orders', { autoscale: { policy: buffer(1), min: 5, max: 4 } }),
    'invalid_request',
    /above max/,
  )
  const inside = { type: 'webhook' as const, url: 'http://10.0.0.1/scale' }
  await refused(
    patch('orders', { autoscale: { policy: inside, max: 4 } }),
    'invalid_request',
    /not a public address/,
  )
  const off = await patch('orders', { autoscale: null, replicas: 4 })
  assert.deepEqual([off.replicas, off.autoscale, off.autoscaling], [4, undefined, undefined])
  await patch('orders', { replicas: 0 })
})

test('a burst: new ships are queued within a second of the allocations, and the fleet says why', async () => {
  await create({ name: 'burst', blueprint: 'arena', autoscale: { policy: buffer(10), max: 200 } })
  await becomes('burst', ({ ships }) => ships.Queued === 10)
  const { autoscaling, replicas } = await look('burst')
  assert.deepEqual(
    [replicas, autoscaling?.wanted, autoscaling?.why],
    [10, 10, '0 in use + 10 kept ready = 10'],
  )
  const times: number[] = []
  for (let round = 1; round <= 7; round++) {
    await board('burst')
    await becomes('burst', ({ ships }) => ships.Ready === 10)
    const atMs = performance.now()
    await take('burst', 5)
    await until(async () => (await look('burst')).ships.Queued === 5, generousMs)
    times.push(performance.now() - atMs)
  }
  times.sort((a, b) => a - b)
  assert.ok((times[3] as number) < 1_000, `median of ${times.map(Math.round).join(', ')} ms`)
  const { events } = await answerOf(
    servers.a.admin.v1.fleets[':fleet'].events.$get({ param: { fleet: 'burst' } }),
  )
  assert.match(
    events.findLast(({ type }) => type === 'fleet.autoscaled')?.reason ?? '',
    /35 in use \+ 10 kept ready = 45$/,
  )
})

test('to zero, and up again for who waits; ships in use outlive what shrinks', async () => {
  await create({ name: 'sleepy', blueprint: 'arena', autoscale: { policy: buffer(0), max: 5, ...atOnce } })
  await becomes('sleepy', ({ replicas }) => replicas === 0)
  const waiting = take('sleepy', 1, 60)
  let isOver = false
  const over = () => {
    isOver = true
  }
  waiting.then(over, over)
  // A ship of before it went to zero may be queued as well, and end as soon as it is Ready.
  await until(async () => {
    await board('sleepy')
    return isOver
  }, generousMs)
  const [allocation] = await waiting
  assert.ok(allocation)
  await patch('sleepy', { autoscale: { policy: { type: 'fixed', replicas: 0 }, max: 5, ...atOnce } })
  await becomes('sleepy', ({ replicas }) => replicas === 0)
  assert.equal((await look('sleepy')).ships.Allocated, 1)
  const param = { allocation: allocation.id }
  await answerOf(servers.a.admin.v1.allocations[':allocation'].$delete({ param, query: {} }))
  await becomes('sleepy', ({ ships }) => ships.Allocated === undefined && ships.Ready === undefined)
})

test('for whoever no ship could ever serve, no fleet grows', async () => {
  await create({ name: 'wary', blueprint: 'arena', autoscale: { policy: buffer(0), max: 5, ...atOnce } })
  await becomes('wary', ({ replicas }) => replicas === 0)
  const patient = connect({ url: servers.a.url, token: adminToken, limitMs: 20_000 })
  const ask = (json: object) =>
    answerOf(patient.v1.allocations.$post({ json: { ...json, waitSeconds: 3 } as never, header: {} }))
  const selecting = (more: object) => ({ selectors: [{ fleet: 'wary', ...more }] })
  await Promise.all([
    refused(ask({ ...selecting({}), count: 6 }), 'none_free'),
    refused(ask(selecting({ counters: { rooms: { minAvailable: 5 } } })), 'none_free'),
    refused(ask(selecting({ lists: { players: {} } })), 'none_free'),
    refused(ask({ ...selecting({}), counters: { rooms: { add: 5 } } }), 'none_free'),
  ])
  const param = { fleet: 'wary' }
  const { events } = await answerOf(servers.a.admin.v1.fleets[':fleet'].events.$get({ param }))
  assert.ok(!events.some(({ reason }) => /from 0 to/.test(reason ?? '')))
})

test('a counter: ships for what is free over the fleet, and no more while they start', async () => {
  const policy = { type: 'counter' as const, key: 'rooms', free: 10 }
  await create({ name: 'rooms', blueprint: 'arena', autoscale: { policy, max: 50, ...atOnce } })
  await becomes('rooms', ({ ships }) => ships.Queued === 3)
  await board('rooms')
  await becomes('rooms', ({ ships }) => ships.Ready === 3)
  const { ships } = await answerOf(servers.a.admin.v1.ships.$get({ query: { fleet: 'rooms' } }))
  const param = { ship: ships[0]?.id ?? '' }
  const json = { counters: { rooms: { add: 3 } } }
  await answerOf(servers.a.admin.v1.ships[':ship'].$patch({ param, json, header: {} }))
  await becomes('rooms', ({ replicas }) => replicas === 4)
  const { autoscaling } = await look('rooms')
  assert.equal(autoscaling?.why, '3 of counter rooms + 10 kept free, with 4 in a ship = 4')
})

test('a list, and players as the probes count them, those unknown as many as others have', async () => {
  await publish(servers.a, 'club', { lists: { guests: { values: ['bot'], capacity: 4 } } })
  const list = { type: 'list' as const, key: 'guests', free: 5 }
  await create({ name: 'guests', blueprint: 'club', autoscale: { policy: list, max: 50, ...atOnce } })
  await becomes('guests', ({ ships }) => ships.Queued === 2)
  await board('guests')
  await becomes('guests', ({ ships }) => ships.Ready === 2)
  const shipsOf = async (fleet: string) =>
    (await answerOf(servers.a.admin.v1.ships.$get({ query: { fleet, state: 'Ready' } }))).ships
  const [one] = await shipsOf('guests')
  const json = { lists: { guests: { append: ['anna', 'ben'] } } }
  const param = { ship: one?.id ?? '' }
  await answerOf(servers.a.admin.v1.ships[':ship'].$patch({ param, json, header: {} }))
  await becomes('guests', ({ autoscaling }) => /^4 of list guests/.test(autoscaling?.why ?? ''))
  assert.equal((await look('guests')).replicas, 3)
  await patch('guests', { autoscale: null, replicas: 0 })

  const players = { type: 'players' as const, free: 10 }
  const autoscale = { policy: players, min: 2, max: 50, ...atOnce }
  await create({ name: 'players', blueprint: 'arena', autoscale })
  await becomes('players', ({ ships }) => ships.Queued === 2)
  await board('players')
  await becomes('players', ({ ships }) => ships.Ready === 2)
  const [busy] = await shipsOf('players')
  const measured = { map: null, cpuMillis: 1, memoryMiB: 1 }
  const ships = [{ ship: busy?.id ?? '', players: 7, maxPlayers: 8, ...measured }]
  const said = { changes: [], holdings: null, host: null, ships }
  await answerOf(host.v1.monitor.reports.$post({ json: said }))
  // The other one has not said how many it takes: as many as the first. 7 and 10 free need three of 8.
  await becomes('players', ({ replicas }) => replicas === 3)
  assert.match((await look('players')).autoscaling?.why ?? '', /^7 .*10 kept free, with 8 in a ship = 3$/)
  await patch('players', { autoscale: null, replicas: 0 })
})

test('a webhook is told what the ships hold together, those that are in use apart', async () => {
  await publish(servers.a, 'party', {
    counters: { rooms: { count: 0, capacity: 4 } },
    lists: { players: { values: ['bot'], capacity: 10 } },
  })
  const told: Record<string, unknown>[] = []
  const server = await Receiver.start((received, response) => {
    const { request } = JSON.parse(received.body)
    told.push(request.status)
    response.end(JSON.stringify({ request, response: { uid: request.uid, scale: true, replicas: 3 } }))
  })
  try {
    const policy = { type: 'webhook' as const, url: server.url }
    await create({ name: 'party', blueprint: 'party', autoscale: { policy, max: 20, ...atOnce } })
    await becomes('party', ({ ships }) => ships.Queued === 3)
    await board('party')
    const json = { selectors: [{ fleet: 'party' }], counters: { rooms: { add: 2 } } }
    await answerOf(servers.a.admin.v1.allocations.$post({ json, header: {} }))
    const last = () => told.at(-1)
    await until(() => last()?.allocatedReplicas === 1, generousMs)
    assert.deepEqual(last(), {
      ...{ replicas: 3, readyReplicas: 2, reservedReplicas: 0, allocatedReplicas: 1 },
      counters: { rooms: { allocatedCount: 2, allocatedCapacity: 4, count: 2, capacity: 12 } },
      lists: { players: { allocatedCount: 1, allocatedCapacity: 10, count: 3, capacity: 30 } },
    })
    await patch('party', { autoscale: null, replicas: 0 })
  } finally {
    await server.stop()
  }
})

test('a webhook in the format of Agones; while it fails the next policy of the chain counts', async () => {
  let wanted = 7
  const server = await Receiver.start((received, response) => {
    const { request } = JSON.parse(received.body)
    const { uid, status } = request
    if (wanted < 0) return void response.writeHead(500).end()
    assert.deepEqual(Object.keys(status).slice(0, 4), [
      ...['replicas', 'readyReplicas', 'reservedReplicas', 'allocatedReplicas'],
    ])
    response.end(JSON.stringify({ request, response: { uid, scale: true, replicas: wanted } }))
  })
  try {
    const policies = [{ type: 'webhook' as const, url: server.url }, buffer(2)]
    const policy = { type: 'chain' as const, policies }
    await create({ name: 'asked', blueprint: 'arena', autoscale: { policy, max: 20, ...atOnce } })
    await becomes('asked', ({ replicas }) => replicas === 7)
    assert.match(
      (await look('asked')).autoscaling?.why ?? '',
      /^policy 1, the webhook at 127\.0\.0\.1:\d+ wants 7 = 7$/,
    )
    wanted = -1
    await becomes('asked', ({ replicas }) => replicas === 2)
    await patch('asked', { autoscale: null, replicas: 0 })
  } finally {
    await server.stop()
  }
})

test('decisions of a leader of before, on other replicas, or past the bounds change nothing or no more than they may', async () => {
  await stopControllers()
  await create({ name: 'fenced', blueprint: 'arena', autoscale: { policy: buffer(0), min: 2, max: 4 } })
  epoch = await servers.a.lead('controllers')
  const decide = (from: number, replicas: number, by = epoch) => {
    const decisions = [{ fleet: 'fenced', from, replicas, wanted: replicas, why: 'a test' }]
    const json = { epoch: by, decisions }
    return answerOf(servers.a.runner.v1.controllers.autoscaling.decisions.$post({ json }))
  }
  await refused(decide(2, 3, epoch - 1), 'stale_epoch')
  assert.deepEqual(await decide(3, 4), { done: [], stale: ['fenced'] })
  assert.deepEqual(await decide(2, 99), { done: ['fenced'], stale: [] })
  assert.equal((await look('fenced')).replicas, 4)
  await patch('fenced', { autoscale: null })
  assert.deepEqual(await decide(4, 3), { done: [], stale: ['fenced'] })
  await startControllers()
})

test.run()

// Counters that the probe keeps: the players whom a game names are what allocations find room by.
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { suite } from 'uvu'
import { probedCounters } from '../../functions/services/changes/probed.ts'
import { answerOf, type Client } from '../../shared/api/client.ts'
import type { Ship } from '../../shared/model/ship.ts'
import {
  boardShips,
  joinHost,
  publish,
  refused,
  shipAt,
  startTwoServers,
  type TwoServers,
} from '../harness/twoServers.ts'

const test = suite('probed counters')
let servers: TwoServers
let host: Client
let ids: string[]

const probe = { type: 'query', game: 'openarena', port: 'game' }
const counters = { players: { capacity: 8, countedBy: 'probe' }, rounds: { count: 0, capacity: 3 } }

test.before(async () => {
  servers = await startTwoServers()
  await publish(servers.a, 'arena', { probe, counters })
  host = (await joinHost(servers.a, 'north')).client
  ids = await boardShips(servers.a, host, 2)
})
test.after(() => servers?.stop())

function playing(ship: string, players: number | null, maxPlayers: number | null = null) {
  const sample = { ship, players, maxPlayers, map: null, cpuMillis: 1, memoryMiB: 1 }
  const json = { changes: [], holdings: null, host: null, ships: [sample] }
  return answerOf(host.v1.monitor.reports.$post({ json }))
}

const countOf = async (ship: string) => (await shipAt(servers.a, ship)).counters?.players
const shown = (count: number, capacity: number) => ({ count, capacity, countedBy: 'probe' })

/** A party that may join a game that is on, or begins one. */
async function seat(add: number, more: { waitSeconds?: number; leaseSeconds?: number } = {}) {
  const room = { players: { minAvailable: add } }
  const json = {
    selectors: [{ state: 'Allocated' as const, counters: room }, { counters: room }],
    counters: { players: { add } },
    ...more,
  }
  const { allocations } = await answerOf(servers.a.admin.v1.allocations.$post({ json, header: {} }))
  assert.ok(allocations[0])
  return allocations[0]
}

test('the count follows the players, and the capacity what the game says it takes', async () => {
  const [ship = ''] = ids
  assert.deepEqual(await countOf(ship), shown(0, 8))
  await playing(ship, 3)
  assert.deepEqual(await countOf(ship), shown(3, 8))
  await playing(ship, 14, 12)
  assert.deepEqual(await countOf(ship), shown(12, 12))
  await playing(ship, null)
  assert.deepEqual(await countOf(ship), shown(12, 12))
  await playing(ship, 0, 12)
  assert.deepEqual(await countOf(ship), shown(0, 12))
})

test('allocations find room by it; whom they send counts before he has come, and is not counted twice for long', async () => {
  const [ship = '', other = ''] = ids
  await playing(ship, 0, 4)
  await playing(other, 4, 4)
  const first = await seat(3)
  assert.equal(first.ship, ship)
  assert.deepEqual(await countOf(ship), shown(3, 4))
  // The game has not seen them yet.
  await playing(ship, 0, 4)
  assert.deepEqual(await countOf(ship), shown(3, 4))
  await refused(seat(2), 'none_free', /counter "players" has no such room/)
  const second = await seat(1)
  assert.equal(second.ship, ship)
  // Whether they have come nobody knows before the next report.
  await answerOf(
    servers.a.admin.v1.allocations[':allocation'].$delete({ param: { allocation: second.id }, query: {} }),
  )
  assert.deepEqual(await countOf(ship), shown(4, 4))
  await playing(ship, 0, 4)
  assert.deepEqual(await countOf(ship), shown(3, 4))
})

test('whoever waited for room is on his way from when he got it, and so is his lease', async () => {
  const [ship = ''] = ids
  await playing(ship, 4, 4)
  const asked = seat(1, { waitSeconds: 20, leaseSeconds: 2 })
  await delay(2_500)
  await playing(ship, 0, 4)
  const { at, leaseUntil } = await asked
  assert.ok(Date.now() - Date.parse(at) < 2_000, at)
  assert.equal(Date.parse(leaseUntil ?? '') - Date.parse(at), 2_000)
})

test("another host's players are nobody's here", async () => {
  const [ship = ''] = ids
  const before = await countOf(ship)
  const other = (await joinHost(servers.a, 'south')).client
  const sample = { ship, players: 1, maxPlayers: 64, map: null, cpuMillis: 1, memoryMiB: 1 }
  const json = { changes: [], holdings: null, host: null, ships: [sample] }
  await answerOf(other.v1.monitor.reports.$post({ json }))
  assert.deepEqual(await countOf(ship), before)
})

test('nobody else changes it', async () => {
  const [ship = ''] = ids
  const patch = (change: Record<string, { add: number }>) =>
    answerOf(
      servers.a.admin.v1.ships[':ship'].$patch({ param: { ship }, json: { counters: change }, header: {} }),
    )
  await refused(patch({ players: { add: 1 } }), 'conflict', /counter "players" is kept by the probe/)
  await patch({ rounds: { add: 1 } })
  const words = [{ say: 'counter' as const, name: 'players', count: 0 }]
  const { refused: refusal } = await answerOf(
    host.v1.monitor.ships[':ship'].words.$post({ param: { ship }, json: { attempt: 1, first: 1, words } }),
  )
  assert.equal(refusal?.code, 'FAILED_PRECONDITION')
  const json = { selectors: [{ state: 'Allocated' as const }], counters: { players: { capacity: 100 } } }
  await refused(answerOf(servers.a.admin.v1.allocations.$post({ json, header: {} })), 'none_free')
})

test('a blueprint needs a query probe that asks often, and a capacity to begin with', async () => {
  await refused(
    publish(servers.a, 'mute', { counters }),
    'invalid_request',
    /only a query probe counts players, and this blueprint's is "none"/,
  )
  const slow = { counters, probe: { ...probe, periodMs: 60_000 } }
  await refused(publish(servers.a, 'slow', slow), 'invalid_request', /no less often than every 10000 ms/)
  const empty = { probe, counters: { seats: counters.players, players: { countedBy: 'probe' } } }
  await refused(publish(servers.a, 'empty', empty), 'invalid_request', /players.capacity: .*at least 1/)
})

test('whom an allocation sent is counted by the probe alone after 30 s', () => {
  const atMs = Date.parse('2030-01-01T00:00:00Z')
  const allocation = { id: 'duel-1-a', at: new Date(atMs).toISOString(), undo: { counters: { players: 3 } } }
  const ship = {
    counters: { players: { count: 3, capacity: 8, countedBy: 'probe' } },
    allocations: [allocation],
  } as unknown as Ship
  const countAfter = (ms: number, players: number) =>
    probedCounters(ship, { players, maxPlayers: null }, atMs + ms)?.players?.count
  assert.equal(countAfter(1_000, 0), undefined, 'no news')
  assert.equal(countAfter(29_000, 2), 5)
  assert.equal(countAfter(30_000, 2), 2)
  assert.equal(countAfter(29_000, 7), 8)
})

test.run()

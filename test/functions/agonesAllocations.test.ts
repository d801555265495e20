// Allocations in Agones' words: its requests mean what they mean there, or are refused, in its words too.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { answerOf, type Client } from '../../shared/api/client.ts'
import { adminToken } from '../harness/apiServer.ts'
import { fleetAboard } from '../harness/fleetAboard.ts'
import { joinHost, publish, shipAt, startTwoServers, type TwoServers } from '../harness/twoServers.ts'

const test = suite('agones allocations')
let servers: TwoServers
let north: Client
let south: Client

test.before(async () => {
  servers = await startTwoServers()
  const lists = { players: { values: ['ann'], capacity: 3 } }
  await publish(servers.a, 'lobby', { counters: { rooms: { count: 0, capacity: 3 } }, lists })
  north = (await joinHost(servers.a, 'north')).client
  south = (await joinHost(servers.a, 'south')).client
})
test.after(() => servers?.stop())

const fleet = (name: string, ...counts: [Client, number][]) =>
  fleetAboard(servers.a, { name, blueprint: 'lobby' }, ...counts)
const of = (name: string, more: object = {}) => ({ matchLabels: { 'agones.dev/fleet': name, ...more } })
const label = (ship: string, labels: Record<string, string>) =>
  answerOf(servers.a.admin.v1.ships[':ship'].$patch({ param: { ship }, json: { labels }, header: {} }))

async function post(body: string, headers: Record<string, string> = {}) {
  const known = { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json', ...headers }
  const answer = await fetch(`${servers.a.url}/gameserverallocation`, {
    method: 'POST',
    headers: known,
    body,
  })
  return { status: answer.status, json: JSON.parse(await answer.text()) }
}
const ask = (body: object) => post(JSON.stringify(body))
async function taken(body: object) {
  const { status, json } = await ask(body)
  assert.equal(status, 200, JSON.stringify(json))
  return json
}
/** Asserts that it is refused, as the gateway of Agones would. */
async function refused(body: object, code: number, text: RegExp) {
  const { json } = await ask(body)
  assert.deepEqual([json.code, json.details], [code, []], JSON.stringify(json))
  assert.match(json.message, text)
}

test('its requests, its answers, its refusal', async () => {
  const [ship = ''] = await fleet('plain', [north, 1])
  const first = await taken({
    namespace: 'default',
    gameServerSelectors: [{ ...of('plain'), gameServerState: 'ALLOCATED' }, of('plain')],
    scheduling: 'Packed',
    metadata: { labels: { match: 'm1' }, annotations: { map: 'dm6' } },
    counters: { rooms: { action: 'Increment', amount: '1' } },
  })
  const { gameServerName, nodeName, source, metadata, counters, lists } = first
  assert.deepEqual([gameServerName, nodeName, source], [ship, 'north', 'local'])
  assert.deepEqual([metadata.labels.match, metadata.annotations.map], ['m1', 'dm6'])
  assert.deepEqual(counters, { rooms: { count: '1', capacity: '3' } })
  assert.deepEqual(lists, { players: { values: ['ann'], capacity: '3' } })
  const none = await ask({ requiredGameServerSelector: of('plain') })
  assert.deepEqual([none.status, none.json.code, none.json.status], [429, 8, 429])
  assert.equal(none.json.message, 'there is no available GameServer to allocate')
  assert.match(none.json.detail, /1 of fleet "plain": Allocated/)
  const room = { ...of('plain'), gameServerState: 1, counters: { rooms: { minAvailable: '1' } } }
  const again = await taken({ gameServerSelectors: [room], lists: { players: { addValues: ['bob'] } } })
  assert.deepEqual(again.lists.players.values, ['ann', 'bob'])
  const param = { allocation: metadata.annotations['armada/allocation'] }
  const back = await answerOf(servers.a.admin.v1.allocations[':allocation'].$delete({ param, query: {} }))
  assert.equal(back.state, 'Allocated')
})

test('a request that is not understood as a whole gets no ship at all', async () => {
  await fleet('strange', [north, 2])
  await refused({ required_game_server_selector: of('strange') }, 3, /required_game_server_selector/)
  await refused({ gameServerSelectors: [{ matchLables: {} }] }, 3, /matchLables/)
  const players = { minAvailable: '2', maxAvailable: '8' }
  await refused({ gameServerSelectors: [{ ...of('strange'), players }] }, 3, /players.*counters or lists/)
  await refused({ gameServerSelectors: [{ matchLabels: { mode: null } }] }, 3, /matchLabels/)
  await refused({ gameServerSelectors: [null] }, 3, /gameServerSelectors/)
  await refused({ multiClusterSetting: { enabled: true } }, 3, /enabled/)
  const large = Object.fromEntries(['a', 'b', 'c'].map((key) => [key, 'x'.repeat(4_000)]))
  await refused({ gameServerSelectors: [of('strange')], metadata: { annotations: large } }, 3, /8192/)
})

test('fields that are null, as some write those that they leave out, are left out', async () => {
  await fleet('nulls', [north, 1])
  const nothing = { minAvailable: '0', maxAvailable: '0' }
  const selector = { ...of('nulls'), gameServerState: null, counters: null, lists: null, players: nothing }
  const { metadata } = await taken({
    ...{ namespace: null, multiClusterSetting: { enabled: false, policySelector: null } },
    ...{ requiredGameServerSelector: null, preferredGameServerSelectors: [], scheduling: null },
    ...{ metadata: null, metaPatch: { labels: { match: 'm2' }, annotations: null } },
    ...{ priorities: null, counters: null, lists: null, gameServerSelectors: [selector] },
  })
  assert.equal(metadata.labels.match, 'm2')
})

test('the older selectors: what is preferred is preferred among what is required', async () => {
  const [plain = '', duel = ''] = await fleet('older', [north, 3])
  await label(duel, { mode: 'duel' })
  const older = {
    requiredGameServerSelector: of('older'),
    preferredGameServerSelectors: [
      ...Array.from({ length: 10 }, (_, i) => ({ matchLabels: { mode: `none-${i}` } })),
      { matchLabels: { mode: 'duel' } },
    ],
  }
  assert.equal((await taken(older)).gameServerName, duel)
  assert.notEqual((await taken(older)).gameServerName, duel)
  await taken(older)
  await refused(older, 8, /no available/)
  assert.equal((await shipAt(servers.a, plain)).state, 'Allocated')
})

test('what is preferred without anything that is required is no more than preferred', async () => {
  const [, canary = ''] = await fleet('anyhow', [north, 2])
  await label(canary, { version: 'canary' })
  const preferred = { preferredGameServerSelectors: [{ matchLabels: { version: 'canary' } }] }
  assert.equal((await taken(preferred)).gameServerName, canary)
  assert.notEqual((await taken(preferred)).gameServerName, canary)
})

test('Distributed, priorities, Decrement, values of lists, annotations as long as Agones takes them', async () => {
  await fleet('filled', [north, 1])
  await taken({ gameServerSelectors: [of('filled')] })
  // So many that each ApiServer has some of its own on both hosts: it takes those first.
  await fleet('spread', [north, 16], [south, 16])
  const on = (scheduling: string) => taken({ gameServerSelectors: [of('spread')], scheduling })
  assert.equal((await on('Distributed')).nodeName, 'south')
  assert.equal((await on('Packed')).nodeName, 'north')

  const ships = await fleet('rated', [north, 3])
  for (const [i, ship] of ships.entries()) {
    const json = { counters: { rooms: { count: i } } }
    await answerOf(servers.a.admin.v1.ships[':ship'].$patch({ param: { ship }, json, header: {} }))
  }
  const rated = (order: string) => ({
    gameServerSelectors: [of('rated')],
    priorities: [{ type: 'Counter', key: 'rooms', order }],
  })
  assert.equal((await taken(rated('Descending'))).gameServerName, ships[0])
  assert.equal((await taken(rated('Ascending'))).gameServerName, ships[2])
  const last = await taken({
    gameServerSelectors: [{ ...of('rated'), lists: { players: { containsValue: 'ann' } } }],
    counters: { rooms: { action: 'Decrement', amount: 1 } },
    lists: { players: { deleteValues: ['ann'] } },
    metadata: { annotations: { config: 'x'.repeat(6_000) } },
  })
  assert.deepEqual([last.counters.rooms.count, last.lists.players.values], ['0', []])
  assert.equal(last.metadata.annotations.config.length, 6_000)
})

test('whatever goes wrong is told as a status of gRPC', async () => {
  const { secret } = await answerOf(
    servers.a.admin.v1.tokens.$post({ json: { name: 'eyes', role: 'viewer' } }),
  )
  for (const [body, headers, status, code] of [
    ['{}', { authorization: 'Bearer nobody-knows-this-token' }, 401, 16],
    ['{}', { authorization: `Bearer ${secret}` }, 403, 7],
    ['{', {}, 400, 3],
    ['{}', { 'content-type': 'text/plain' }, 415, 3],
    ['{}', { 'idempotency-key': '' }, 400, 3],
  ] as const) {
    const answer = await post(body, headers)
    const { message, detail, ...others } = answer.json
    assert.deepEqual([answer.status, others], [status, { code, details: [], status }], body)
    assert.ok(message !== '' && detail !== '')
  }
})

test.run()
